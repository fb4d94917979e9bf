import pytest
import torch

from hero_core.batch import Batch
from hero_core.errors import ConfigError, InputError
from hero_core.models.codec import MotionCodec
from hero_core.models.features import VideoFeatures
from hero_core.models.hero import Generator, Hero
from hero_core.models.masked import MaskedConfig, MaskedTransformer
from hero_core.models.residual import ResidualConfig, ResidualTransformer
from hero_core.models.rvq import RvqConfig
from hero_core.models.sampling import SamplingConfig

SIZES = {"codebook_size": 8, "code_dim": 12}
TRANSFORMER = {
    **SIZES,
    "latent_dim": 16,
    "ff_size": 24,
    "layers": 1,
    "heads": 2,
    "feature_dim": 16,
    "intention_heads": 2,
}


def make_hero(sampling: SamplingConfig | None = None, **residual: object) -> Hero:
    torch.manual_seed(0)
    config = RvqConfig(width=16, quantizers=3, depth=1, **SIZES)
    codec = MotionCodec(config, torch.zeros(263), torch.ones(263))
    for layer in codec.vae.quantizer.codebooks:
        torch.nn.init.normal_(layer.codebook)
    masked = MaskedTransformer(MaskedConfig.model_validate(TRANSFORMER))
    refined = ResidualTransformer(ResidualConfig.model_validate({**TRANSFORMER, "quantizers": 3, **residual}))
    return Hero(codec, masked, refined, sampling).eval()


def video(batch: int) -> VideoFeatures:
    frames = torch.randn(batch, 4, 16, generator=torch.Generator().manual_seed(1))
    return VideoFeatures(frames, frames.mean(dim=1))


def generate(hero: Hero, lengths: list[int], seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return hero.generate(video(len(lengths)), torch.tensor(lengths), rng)


def test_lengths_are_rounded_down_and_the_rest_is_zero() -> None:
    motion = generate(make_hero(), [43, 4, 19])
    assert motion.shape == (3, 40, 263)
    for row, length in enumerate([40, 4, 16]):
        assert bool(motion[row, :length].any(dim=-1).all())
        assert not motion[row, length:].any()


def test_generation_repeats_with_the_generator() -> None:
    hero: Generator = make_hero(SamplingConfig(top_k_ratio=1.0))
    lengths = torch.tensor([24, 8])
    first, again, other = (
        hero.generate(video(2), lengths, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_motion_does_not_depend_on_the_padding_of_its_batch() -> None:
    hero = make_hero(SamplingConfig(temperature=0, residual_temperature=0))
    together = generate(hero, [12, 40])
    alone = hero.generate(
        VideoFeatures(*(x[:1] for x in video(2))), torch.tensor([12]), torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(together[:1, :12], alone, atol=1e-5, rtol=1e-5)


def test_the_official_way_decodes_the_padding_too() -> None:
    greedy = {"temperature": 0, "residual_temperature": 0}
    padded = generate(make_hero(SamplingConfig(decode_padded=True, **greedy)), [12, 40])
    sound = generate(make_hero(SamplingConfig(**greedy)), [12, 40])
    assert padded.shape == sound.shape
    assert bool(padded[0, 12:].any())
    torch.testing.assert_close(padded[1], sound[1])


@pytest.mark.parametrize(
    ("lengths", "message"),
    [([3, 40], "3 frames"), ([40, 0], "0 frames"), ([201, 40], "201 frames"), ([200, -4], "-4 frames")],
)
def test_impossible_lengths_are_refused(lengths: list[int], message: str) -> None:
    with pytest.raises(InputError, match=f"{message} cannot be generated: ask for 4 to 200 frames"):
        generate(make_hero(), lengths)


def test_one_length_a_video() -> None:
    with pytest.raises(InputError, match="2 videos"):
        make_hero().generate(video(2), torch.tensor([8]), torch.Generator())


def test_longest_reaction() -> None:
    hero = make_hero(max_tokens=20)
    assert hero.max_length == 80
    assert generate(hero, [80]).shape == (1, 80, 263)
    with pytest.raises(InputError, match="4 to 80"):
        generate(hero, [84])


def test_losses_are_both_transformers_and_leave_the_tokenizer_alone() -> None:
    hero = make_hero().train()
    lengths = torch.tensor([40, 16])
    motion = torch.randn(2, 40, 263)
    motion[1, 16:] = 0
    batch = Batch(("a", "b"), motion, lengths, video(2))
    losses = hero.losses(batch, torch.Generator().manual_seed(0))
    assert losses["total"].item() == pytest.approx((losses["masked"] + losses["residual"]).item())
    torch.autograd.backward(losses["total"])
    assert all(parameter.grad is None for parameter in hero.codec.parameters())
    assert all(parameter.grad is not None for parameter in hero.masked.parameters())


def test_parts_must_fit() -> None:
    with pytest.raises(ConfigError, match=r"codebook_size \[8, 16\]"):
        make_hero(codebook_size=16)
    with pytest.raises(ConfigError, match="quantizers"):
        make_hero(quantizers=4)


def test_generation_leaves_the_mode_and_gradients_as_they_were() -> None:
    hero = make_hero()
    hero.masked.train()
    motion = generate(hero, [8])
    assert not motion.requires_grad
    assert hero.masked.training
    assert not hero.codec.training


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_cpu_generator_gives_the_same_draws_on_a_gpu() -> None:
    hero = make_hero()
    on_cpu = generate(hero, [40, 12])
    hero.cuda()
    condition = VideoFeatures(*(x.cuda() for x in video(2)))
    on_gpu = hero.generate(condition, torch.tensor([40, 12]).cuda(), torch.Generator().manual_seed(0))
    torch.testing.assert_close(on_gpu.cpu(), on_cpu, atol=1e-3, rtol=1e-3)
