from typing import Any

import numpy as np
import pytest
import torch

from hero_core.config import Config
from hero_core.errors import ConfigError, InputError
from hero_core.models.base import (
    Generator,
    TrainingFacts,
    VideoFeatures,
    generator_class,
    optional_parts,
    part_names,
)
from hero_core.models.generators.hero.hero import Hero
from hero_core.models.generators.hero.length import LengthConfig, LengthHead
from hero_core.models.generators.hero.masked import MaskedConfig, MaskedTransformer
from hero_core.models.generators.hero.residual import ResidualConfig, ResidualTransformer
from hero_core.models.generators.hero.settings import HeroSampling, HeroSettings
from hero_core.models.generators.hero.transformer import TransformerConfig
from hero_core.models.recorder import Recordings
from hero_core.models.sampling import uniform_from
from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.models.tokenizers.rvq_config import RvqConfig
from hero_core.motion.statistics import MotionStatistics

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


def make_hero(sampling: HeroSampling | None = None, **residual: object) -> Hero:
    torch.manual_seed(0)
    tokenizer = RvqTokenizer(RvqConfig(width=16, quantizers=3, depth=1, **SIZES))
    for layer in tokenizer.network.quantizer.codebooks:
        torch.nn.init.normal_(layer.codebook)
    masked = MaskedTransformer(MaskedConfig.model_validate(TRANSFORMER))
    refined = ResidualTransformer(ResidualConfig.model_validate({**TRANSFORMER, "quantizers": 3, **residual}))
    return Hero({"rvq": tokenizer, "masked": masked, "residual": refined}, sampling).eval()


def video(batch: int) -> VideoFeatures:
    frames = torch.randn(batch, 4, 16, generator=torch.Generator().manual_seed(1))
    return VideoFeatures(frames, frames.mean(dim=1), torch.arange(frames.shape[1]).expand(batch, -1) / 4)


def generate(hero: Hero, lengths: list[int], seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return hero.generate(video(len(lengths)), torch.tensor(lengths), rng).motion


def test_lengths_are_rounded_down_and_the_rest_is_zero() -> None:
    motion = generate(make_hero(), [43, 4, 19])
    assert motion.shape == (3, 40, 263)
    for row, length in enumerate([40, 4, 16]):
        assert bool(motion[row, :length].any(dim=-1).all())
        assert not motion[row, length:].any()


def test_generation_repeats_with_the_generator() -> None:
    hero: Generator = make_hero(HeroSampling(top_k_ratio=1.0))
    lengths = torch.tensor([24, 8])
    first, again, other = (
        hero.generate(video(2), lengths, torch.Generator().manual_seed(seed)).motion for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_motion_does_not_depend_on_the_padding_of_its_batch() -> None:
    hero = make_hero(HeroSampling(temperature=0, residual_temperature=0))
    together = generate(hero, [12, 40])
    alone = hero.generate(
        VideoFeatures(*(x[:1] for x in video(2))), torch.tensor([12]), torch.Generator().manual_seed(0)
    ).motion
    torch.testing.assert_close(together[:1, :12], alone, atol=1e-5, rtol=1e-5)


def test_the_official_way_decodes_the_padding_too() -> None:
    greedy = {"temperature": 0, "residual_temperature": 0}
    padded = generate(make_hero(HeroSampling(decode_padded=True, **greedy)), [12, 40])
    sound = generate(make_hero(HeroSampling(**greedy)), [12, 40])
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


def test_reconstruction_is_the_tokenizers() -> None:
    hero, lengths = make_hero(), torch.tensor([40, 16])
    motion = torch.randn(2, 40, 263, generator=torch.Generator().manual_seed(2))
    again = hero.reconstruct(motion, lengths)
    assert torch.equal(again, hero.tokenizer.decode(hero.tokenizer.encode(motion, lengths), lengths))
    assert not again[1, 16:].any()


def test_it_is_known_by_its_name() -> None:
    assert generator_class("hero") is Hero
    assert list(Hero.parts) == ["rvq", "masked", "residual", "length"]
    assert optional_parts(Hero) == {"length"}
    assert set(part_names()) >= set(Hero.parts)
    with pytest.raises(ConfigError, match="no generator is called 'hera'; there are .*hero"):
        generator_class("hera")


@pytest.mark.parametrize(
    ("name", "off"),
    [("none", set()), ("no-iie", {"use_iie"}), ("no-die", {"use_die"}), ("no-both", {"use_iie", "use_die"})],
)
def test_an_ablation_switches_both_transformers(name: str, off: set[str]) -> None:
    class Section(Config):
        model: TransformerConfig = TransformerConfig()

    class Settings(HeroSettings):
        masked: Section = Section()
        residual: Section = Section()

    settings = Settings.model_validate({"ablation": name, "masked": {"model": {"layers": 2}}})
    assert settings.masked.model.layers == 2
    for section in (settings.masked, settings.residual):
        assert {switch for switch in ("use_iie", "use_die") if not getattr(section.model, switch)} == off


def test_parts_must_fit() -> None:
    with pytest.raises(ConfigError, match="codebook_size is rvq 8, masked 8, residual 16"):
        make_hero(codebook_size=16)
    with pytest.raises(ConfigError, match="quantizers is rvq 3, residual 4"):
        make_hero(quantizers=4)


def test_generation_leaves_the_mode_and_gradients_as_they_were() -> None:
    hero = make_hero()
    hero.masked.train()
    motion = generate(hero, [8])
    assert not motion.requires_grad
    assert hero.masked.training
    assert not hero.tokenizer.training


LENGTHS = ([40, 12], [36, 33], [8, 28], [100, 40], [200, 4], [180, 199], [40, 12, 8], [43, 4], [24, 24, 9])


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("layers", [None, 0, 1])
def test_recorded_reactions_are_those_that_were_not_recorded(
    replays: Any, padded: bool, layers: int | None
) -> None:
    sampling = HeroSampling(steps=4, decode_padded=padded, residual_layers=layers)
    plain, recorded, cpu = make_hero(sampling), make_hero(sampling), torch.device("cpu")
    recorded._recordings[cpu] = Recordings(replays, cpu)
    for seed, lengths in enumerate(LENGTHS):
        expected, found = generate(plain, lengths, seed), generate(recorded, lengths, seed)
        assert found.shape == expected.shape
        torch.testing.assert_close(
            found, expected, atol=1e-5, rtol=1e-5
        )  # other tokens would differ by far more
    # Two clips have room for 16 tokens three times, and twice for the most. Motions that are decoded with their padding
    # have just the room that they need: only that for 10 tokens comes up twice.
    assert replays.recordings == (1 if padded else 2)


def test_a_recording_is_bound_to_where_the_weights_are(replays: Any) -> None:
    hero, cpu = make_hero(), torch.device("cpu")
    hero._recordings[cpu] = Recordings(replays, cpu)
    for _ in range(3):
        generate(hero, [40, 12])
    assert replays.recordings == 1
    hero.masked.head[-1].bias.data = hero.masked.head[-1].bias.data.clone()
    for _ in range(2):
        generate(hero, [40, 12])
    assert replays.recordings == 2


def test_draws_are_made_one_after_another_whatever_the_room() -> None:
    """As by one call of the generator for every step of either transformer."""
    hero, rng, again = make_hero(), torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    condition, lengths = video(2), torch.tensor([5, 3])
    motion, made = hero.generate(condition, 4 * lengths + 3, rng)
    assert made.tolist() == (4 * lengths).tolist()
    uniform = uniform_from(again, torch.device("cpu"))
    base = hero.masked.generate(condition, lengths, uniform, hero.sampling)
    tokens = hero.residual.generate(base, condition, lengths, uniform, hero.sampling)
    torch.testing.assert_close(motion, hero.tokenizer.decode_each(tokens, lengths))
    assert torch.equal(rng.get_state(), again.get_state())


def kept_frames(frames: int, *ranges: tuple[int, int]) -> torch.Tensor:
    keep = torch.zeros(1, frames, dtype=torch.bool)
    for start, end in ranges:
        keep[0, start:end] = True
    return keep


def test_what_is_kept_comes_back_bit_by_bit_and_the_rest_is_new() -> None:
    hero, rng = make_hero(HeroSampling(top_k_ratio=1.0)), torch.Generator().manual_seed(5)
    motion, keep = generate(hero, [40]), kept_frames(40, (0, 10), (32, 40))
    edited, lengths = hero.edit(video(1), motion, torch.tensor([43]), keep, rng)
    assert (edited.shape, lengths.tolist()) == ((1, 40, 263), [40])
    assert torch.equal(edited[keep], motion[keep])
    changed = (edited != motion).any(dim=-1)[0]
    assert changed[10:32].all()


def test_kept_tokens_are_what_the_others_are_made_from() -> None:
    """The transformer sees them, and they take no part in the steps."""
    hero = make_hero(HeroSampling(top_k_ratio=1.0))
    lengths = torch.tensor([10])
    kept = torch.full((1, 10), -1)
    kept[0, 2:5] = torch.tensor([3, 1, 2])
    uniform = [uniform_from(torch.Generator().manual_seed(1), torch.device("cpu")) for _ in range(2)]
    found = hero.masked.generate(video(1), lengths, uniform[0], hero.sampling, kept=kept)
    free = hero.masked.generate(video(1), lengths, uniform[1], hero.sampling)
    assert found[0, 2:5].tolist() == [3, 1, 2]
    assert 0 <= found.min() <= found.max() < 8  # no [MASK] is left
    assert found[0, 5:].tolist() != free[0, 5:].tolist()


def test_an_edit_that_keeps_nothing_is_a_new_reaction() -> None:
    hero = make_hero(HeroSampling(top_k_ratio=1.0))
    rng = torch.Generator().manual_seed(0)
    edited = hero.edit(video(1), torch.zeros(1, 40, 263), torch.tensor([40]), kept_frames(40), rng).motion
    torch.testing.assert_close(edited, generate(hero, [40]), atol=1e-5, rtol=1e-5)


def test_an_edit_that_keeps_everything_changes_nothing() -> None:
    hero, rng = make_hero(), torch.Generator().manual_seed(5)
    motion = generate(hero, [24])
    edited = hero.edit(video(1), motion, torch.tensor([24]), kept_frames(24, (0, 24)), rng).motion
    assert torch.equal(edited, motion)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_plays_back_the_reactions_it_would_have_given() -> None:
    hero = make_hero().cuda()
    for seed, lengths in enumerate(LENGTHS * 3):
        expected = generate(make_hero(), lengths, seed)
        condition = VideoFeatures(*(x.cuda() for x in video(len(lengths))))
        rng = torch.Generator().manual_seed(seed)
        found = hero.generate(condition, torch.tensor(lengths).cuda(), rng).motion
        torch.testing.assert_close(found.cpu(), expected, atol=1e-3, rtol=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_cpu_generator_gives_the_same_draws_on_a_gpu() -> None:
    hero = make_hero()
    on_cpu = generate(hero, [40, 12])
    hero.cuda()
    condition = VideoFeatures(*(x.cuda() for x in video(2)))
    on_gpu = hero.generate(condition, torch.tensor([40, 12]).cuda(), torch.Generator().manual_seed(0)).motion
    torch.testing.assert_close(on_gpu.cpu(), on_cpu, atol=1e-3, rtol=1e-3)


def test_new_transformers_fit_the_tokenizer_and_the_data() -> None:
    tokenizer = make_hero().tokenizer
    statistics = MotionStatistics(np.zeros(263, np.float32), np.ones(263, np.float32))
    facts = TrainingFacts(statistics, feature_dim=24, longest_frames=80, parts={"rvq": tokenizer})
    sizes = {"latent_dim": 16, "layers": 1, "heads": 2, "intention_heads": 2}
    masked = MaskedTransformer.build(MaskedConfig.model_validate({**sizes, "max_tokens": 20}), facts)
    assert (masked.config.codebook_size, masked.config.feature_dim) == (8, 24)
    residual = ResidualTransformer.build(ResidualConfig.model_validate({**sizes, "max_tokens": 20}), facts)
    assert (residual.config.codebook_size, residual.config.quantizers, residual.config.feature_dim) == (
        8,
        3,
        24,
    )
    for part, config in ((MaskedTransformer, MaskedConfig), (ResidualTransformer, ResidualConfig)):
        with pytest.raises(
            ConfigError, match=r"motions of 80 frames.*max_tokens of at least 20, but it is 19"
        ):
            part.build(config.model_validate({**sizes, "max_tokens": 19}), facts)


def test_explains_finished_reactions() -> None:
    hero = make_hero()
    lengths = torch.tensor([24, 8])
    motion = generate(hero, [24, 8])
    found = hero.explain(video(2), motion, lengths)
    assert found.frame_weights is not None
    assert found.attention is not None
    assert found.tokens is not None
    assert found.frame_weights.shape == (2, 4)
    torch.testing.assert_close(found.frame_weights.sum(dim=-1), torch.ones(2))
    assert found.attention.shape == (2, 6, 4)
    torch.testing.assert_close(found.attention[1, :2].sum(dim=-1), torch.ones(2))
    assert found.tokens.shape == (2, 6, 3)
    alone = hero.explain(VideoFeatures(*(each[1:] for each in video(2))), motion[1:, :8], lengths[1:])
    assert alone.attention is not None
    torch.testing.assert_close(found.attention[1:, :2], alone.attention)  # the padding changes nothing


def sharp(hero: Hero) -> Hero:
    """With a tokenizer whose codes depend on all that its convolutions see."""
    with torch.no_grad():
        for weight in hero.tokenizer.network.parameters():
            weight.mul_(3 if weight.ndim > 1 else 1)
        for layer in hero.tokenizer.network.quantizer.codebooks:
            layer.codebook.mul_(0.3)
    return hero


def test_explained_tokens_are_those_of_training_whoever_shares_the_batch() -> None:
    """The convolutions see past a motion's end, so it matters that there is room, but not how much others need."""
    hero, lengths = sharp(make_hero()), torch.tensor([200, *[24] * 5])
    motion = 3 * torch.randn(6, 200, 263, generator=torch.Generator().manual_seed(0))
    motion[1:, 24:] = 0
    expected = hero.tokenizer.encode(motion, lengths)
    assert not torch.equal(hero.tokenizer.encode(motion[1:, :24], lengths[1:]), expected[1:, :6])
    together = hero.explain(video(6), motion, lengths).tokens
    apart = hero.explain(video(6).map(lambda each: each[1:]), motion[1:, :24], lengths[1:]).tokens
    assert together is not None
    assert apart is not None
    assert torch.equal(together, expected)
    assert torch.equal(apart, expected[1:, :6])


def test_an_edit_keeps_the_tokens_whose_frames_are_all_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    hero = sharp(make_hero(HeroSampling(top_k_ratio=1.0)))
    motion = 3 * torch.randn(1, 24, 263, generator=torch.Generator().manual_seed(0))
    room = torch.cat([motion, torch.zeros(1, 176, 263)], dim=1)
    expected = hero.tokenizer.encode(room, torch.tensor([24]))[0, :6]
    decoded: list[torch.Tensor] = []
    decode = hero.tokenizer.decode_each

    def decode_each(tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        decoded.append(tokens)
        return decode(tokens, lengths)

    monkeypatch.setattr(hero.tokenizer, "decode_each", decode_each)
    keep = kept_frames(24, (0, 7), (12, 24))  # all of the tokens 0, 3, 4 and 5, a part of 1, nothing of 2
    for seed in range(5):
        hero.edit(video(1), motion, torch.tensor([24]), keep, torch.Generator().manual_seed(seed))
    tokens = torch.cat(decoded)  # (5, 6, q)
    assert (tokens == expected).all(dim=-1).all(dim=0).tolist() == [True, False, False, True, True, True]


def test_a_chosen_length_is_one_that_all_parts_can_make() -> None:
    hero = make_hero(max_tokens=5)
    head = LengthHead(LengthConfig(feature_dim=16, intention_heads=2, width=8, max_tokens=50))
    with torch.no_grad():
        head.head.weight.zero_()
        head.head.bias.copy_(100 * torch.eye(50)[29])  # 30 tokens
    parts = {"rvq": hero.tokenizer, "masked": hero.masked, "residual": hero.residual, "length": head}
    chosen = Hero(parts).eval().generate(video(2), None, torch.Generator().manual_seed(0))
    assert chosen.lengths.tolist() == [20, 20]
