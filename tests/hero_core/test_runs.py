from pathlib import Path

import pytest
import torch

from hero_core.checkpoints import load_checkpoint, save_checkpoint
from hero_core.errors import FingerprintError, WeightsError
from hero_core.models.codec import MotionCodec
from hero_core.models.evaluator import EvaluatorConfig, MotionEvaluator
from hero_core.models.features import VideoFeatures
from hero_core.models.masked import MaskedConfig, MaskedTransformer
from hero_core.models.residual import ResidualConfig, ResidualTransformer
from hero_core.models.rvq import RvqConfig
from hero_core.models.sampling import SamplingConfig
from hero_core.runs import CODEC_KEY, codec_fingerprint, load_codec, load_evaluator, load_hero

TRANSFORMER = {
    "codebook_size": 8,
    "code_dim": 12,
    "latent_dim": 16,
    "ff_size": 24,
    "layers": 1,
    "heads": 2,
    "feature_dim": 16,
    "intention_heads": 2,
}


def make_codec(seed: int = 0) -> MotionCodec:
    torch.manual_seed(seed)
    config = RvqConfig(width=8, code_dim=12, codebook_size=8, quantizers=3, depth=1)
    return MotionCodec(config, torch.zeros(263), torch.ones(263))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    codec = make_codec()
    codec.save(tmp_path / "rvq" / "best", {})
    metadata = {CODEC_KEY: codec_fingerprint(codec)}
    for which in ("best", "last"):
        masked = MaskedTransformer(MaskedConfig.model_validate(TRANSFORMER))
        masked.save(tmp_path / "masked" / which, metadata)
        residual = ResidualTransformer(ResidualConfig.model_validate({**TRANSFORMER, "quantizers": 3}))
        residual.save(tmp_path / "residual" / which, metadata)
    return tmp_path


def test_fingerprint_is_of_the_tensors(tmp_path: Path) -> None:
    codec = make_codec()
    fingerprint = codec_fingerprint(codec)
    codec.save(tmp_path, {"epoch": 3})
    assert codec_fingerprint(MotionCodec.load(tmp_path)) == fingerprint
    assert codec_fingerprint(make_codec(seed=1)) != fingerprint
    with torch.no_grad():
        codec.vae.quantizer.codebooks[0].codebook[0, 0] += 1e-6
    assert codec_fingerprint(codec) != fingerprint


def test_a_run_generates(run: Path) -> None:
    hero = load_hero(run, sampling=SamplingConfig(steps=2))
    assert not any(module.training for module in hero.modules())
    assert hero.sampling.steps == 2
    frames = torch.randn(1, 4, 16)
    motion = hero.generate(VideoFeatures(frames, frames.mean(dim=1)), torch.tensor([16]), torch.Generator())
    assert motion.shape == (1, 16, 263)


def test_best_and_last_are_told_apart(run: Path) -> None:
    for which in ("best", "last"):
        stored = load_checkpoint(run / "masked" / which, "masked").tensors
        loaded = load_hero(run, which=which).masked.state_dict()
        assert all(torch.equal(stored[name], loaded[name]) for name in stored)


def test_transformers_of_another_tokenizer_are_refused(run: Path) -> None:
    make_codec(seed=1).save(run / "rvq" / "best", {})
    with pytest.raises(FingerprintError, match="trained with tokenizer"):
        load_hero(run)


def test_transformers_of_an_unknown_tokenizer_are_refused(run: Path) -> None:
    stored = load_checkpoint(run / "residual" / "best", "residual")
    config = ResidualConfig.model_validate(stored.config)
    save_checkpoint(run / "residual" / "best", "residual", config, stored.tensors, {})
    with pytest.raises(FingerprintError, match=CODEC_KEY):
        load_hero(run)


def test_missing_parts_are_named(run: Path, tmp_path: Path) -> None:
    assert load_codec(run).config.quantizers == 3
    with pytest.raises(WeightsError, match="evaluator"):
        load_evaluator(run)
    config = EvaluatorConfig(movement_hidden=4, movement_dim=4, motion_hidden=4, embedding_dim=4)
    MotionEvaluator(config, torch.zeros(263), torch.ones(263)).save(run / "evaluator" / "best", {})
    assert not load_evaluator(run).training
