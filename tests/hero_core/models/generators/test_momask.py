from pathlib import Path

import numpy as np
import pytest
import torch

from hero_core.errors import ConfigError, InputError, WeightsError
from hero_core.models.base import Batch, TrainingFacts, VideoFeatures, generator_class, optional_parts
from hero_core.models.checkpoint import load_network, save_network
from hero_core.models.generators.hero import Hero, HeroSampling, MaskedTransformer
from hero_core.models.generators.hero.transformer import DecoderUnit
from hero_core.models.generators.momask import (
    Momask,
    MomaskMasked,
    MomaskMaskedConfig,
    MomaskResidual,
    MomaskResidualConfig,
)
from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.models.tokenizers.rvq_config import RvqConfig
from hero_core.motion.statistics import MotionStatistics

SIZES = {"codebook_size": 8, "code_dim": 12}
TRANSFORMER = {
    **SIZES,
    "latent_dim": 16,
    "ff_size": 24,
    "layers": 2,
    "heads": 2,
    "feature_dim": 16,
    "intention_heads": 2,
}


def tokenizer() -> RvqTokenizer:
    model = RvqTokenizer(RvqConfig(width=16, quantizers=3, depth=1, **SIZES))
    for layer in model.network.quantizer.codebooks:
        torch.nn.init.normal_(layer.codebook)
    return model.eval()


def masked(**changes: object) -> MomaskMasked:
    return MomaskMasked(MomaskMaskedConfig.model_validate({**TRANSFORMER, **changes})).eval()


def make_momask(**changes: object) -> Momask:
    torch.manual_seed(0)
    residual = MomaskResidualConfig.model_validate({**TRANSFORMER, "quantizers": 3, **changes})
    parts = {"rvq": tokenizer(), "masked": masked(**changes), "residual": MomaskResidual(residual)}
    with torch.no_grad():  # so that what the condition says makes a difference
        for weight in [weight for name in ("masked", "residual") for weight in parts[name].parameters()]:
            weight.mul_(8 if weight.ndim == 2 else 1)
    return Momask(parts, HeroSampling(temperature=0, residual_temperature=0)).eval()


def video(batch: int, seed: int = 0) -> VideoFeatures:
    frames = torch.randn(batch, 4, 16, generator=torch.Generator().manual_seed(seed))
    return VideoFeatures(frames, frames.mean(dim=1), torch.arange(4).expand(batch, -1) / 4)


def motion_of(momask: Momask, condition: VideoFeatures) -> torch.Tensor:
    lengths = torch.tensor([40, 16])
    return momask.generate(condition, lengths, torch.Generator().manual_seed(0)).motion


def test_it_is_known_by_its_name() -> None:
    assert generator_class("momask") is Momask
    assert list(Momask.parts) == [name for name in Hero.parts if name not in optional_parts(Hero)]
    assert not optional_parts(Momask)
    assert not make_momask().chooses_length
    with pytest.raises(InputError, match="does not choose"):
        make_momask().generate(video(1), None, torch.Generator())
    assert not Momask.stops_by_itself


def test_the_defaults_are_the_published_model() -> None:
    base, finer = MomaskMaskedConfig(), MomaskResidualConfig()
    for config in (base, finer):
        assert (config.layers, config.latent_dim, config.heads, config.ff_size) == (8, 384, 6, 1024)
        assert not config.use_iie
    assert (base.condition_drop, finer.condition_drop, finer.share_weights) == (0.1, 0.2, True)
    # counted by running the official modules
    assert sum(each.numel() for each in MomaskMasked(base).parameters()) == pytest.approx(12.049e6, abs=500)
    assert sum(each.numel() for each in MomaskResidual(finer).parameters()) == pytest.approx(
        13.364e6, abs=500
    )


def test_it_never_sees_the_frames() -> None:
    momask, condition = make_momask(), video(2)
    motion = motion_of(momask, condition)
    assert torch.equal(motion, motion_of(momask, condition._replace(frames=video(2, seed=1).frames)))
    assert not torch.equal(
        motion, motion_of(momask, condition._replace(global_feature=video(2, 1).global_feature))
    )
    assert all(unit.frame_attention is None for unit in momask.modules() if isinstance(unit, DecoderUnit))


def test_the_intention_sees_them() -> None:
    momask, condition = make_momask(use_iie=True), video(2)
    others = condition._replace(frames=video(2, seed=1).frames)
    assert not torch.equal(motion_of(momask, condition), motion_of(momask, others))


@pytest.mark.parametrize("setting", [{"use_die": True}, {"frame_time": "rotary"}])
def test_what_makes_hero_hero_cannot_be_switched_on(setting: dict[str, object]) -> None:
    for cls in (MomaskMaskedConfig, MomaskResidualConfig):
        with pytest.raises(ValueError, match=next(iter(setting))):
            cls.model_validate(setting)


def test_its_parts_are_built_for_the_data() -> None:
    facts = TrainingFacts(
        MotionStatistics(np.zeros(263), np.ones(263)), 32, 80, {"rvq": tokenizer()}, synchronous=True
    )
    model = MomaskMasked.build(MomaskMaskedConfig.model_validate(TRANSFORMER), facts)
    assert isinstance(model.config, MomaskMaskedConfig)
    assert (model.config.feature_dim, model.config.codebook_size, model.config.frame_time) == (32, 8, "none")
    residual = MomaskResidual.build(MomaskResidualConfig.model_validate(TRANSFORMER), facts)
    assert isinstance(residual.config, MomaskResidualConfig)
    assert (residual.config.quantizers, residual.config.share_weights) == (3, True)
    with pytest.raises(ConfigError, match="need masked.model.max_tokens of at least 20"):
        MomaskMasked.build(MomaskMaskedConfig.model_validate({**TRANSFORMER, "max_tokens": 10}), facts)


def test_two_layers_of_codes_share_no_table() -> None:
    """The demo's tokenizer: one table embeds, the other predicts, and nothing lies between them."""
    model = MomaskResidual(MomaskResidualConfig.model_validate({**TRANSFORMER, "quantizers": 2}))
    tokens = torch.randint(8, (3, 5, 2), generator=torch.Generator().manual_seed(0))
    batch = Batch(("a", "b", "c"), torch.tensor([20, 12, 8]), condition=video(3), encoded=tokens)
    loss = model.losses(batch, torch.Generator().manual_seed(0))["total"]
    loss.backward()
    assert model.tables.embed.shape == model.tables.predict.shape == (1, 9, 12)
    assert model.tables.embed_own.grad is not None
    assert bool(model.tables.embed_own.grad.any())


def test_checkpoints_are_not_heros(tmp_path: Path) -> None:
    save_network(tmp_path / "masked.safetensors", masked(), {})
    loaded, _ = load_network(tmp_path / "masked.safetensors", MomaskMasked)
    assert loaded.config == masked().config
    with pytest.raises(WeightsError, match="holds a 'momask-masked' model, expected 'hero-masked'"):
        load_network(tmp_path / "masked.safetensors", MaskedTransformer)
