import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hero_core.errors import WeightsError
from hero_core.models.base import Batch, VideoFeatures
from hero_core.models.checkpoint import load_network, save_network
from hero_core.models.generators.hero.masked import MaskedConfig, MaskedTransformer, MaskingDraws
from hero_core.models.generators.hero.residual import ResidualTransformer
from hero_core.models.generators.hero.settings import HeroSampling
from hero_core.models.generators.hero.transformer import Context
from hero_core.models.padding import valid_mask
from hero_core.models.sampling import Uniform, uniform_from

CONFIG = MaskedConfig(
    codebook_size=8,
    code_dim=12,
    latent_dim=16,
    ff_size=24,
    layers=1,
    heads=2,
    max_tokens=10,
    feature_dim=16,
    intention_heads=2,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(seed: int = 0) -> Uniform:
    return uniform_from(seeded(seed), torch.device("cpu"))


def video(batch: int, seed: int = 0) -> VideoFeatures:
    frames = torch.randn(batch, 4, CONFIG.feature_dim, generator=seeded(seed))
    return VideoFeatures(frames, frames.mean(dim=1), torch.arange(frames.shape[1]).expand(batch, -1) / 4)


def tokens_of(lengths: Tensor, seed: int = 0) -> Tensor:
    size = int(lengths.max())
    tokens = torch.randint(CONFIG.codebook_size, (len(lengths), size), generator=seeded(seed))
    return tokens.masked_fill(~valid_mask(lengths, size), -1)


def batch_of(tokens: Tensor, lengths: Tensor, condition: VideoFeatures) -> Batch:
    keys = tuple(map(str, range(len(tokens))))
    return Batch(keys, 4 * lengths, condition=condition, encoded=tokens[..., None])


def corrupt(
    config: MaskedConfig, lengths: Tensor, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor, MaskingDraws]:
    model, tokens = MaskedTransformer(config), tokens_of(lengths)
    draws = MaskingDraws.draw(tokens, config.codebook_size, config.condition_drop, seeded(seed))
    inputs, targets = model.mask(tokens, lengths, draws)
    return tokens, inputs, targets, draws


def test_masked_count_follows_the_cosine_schedule() -> None:
    lengths = torch.tensor([10, 7, 4, 1] * 50)
    _, _, targets, draws = corrupt(CONFIG, lengths)
    expected = (torch.cos(draws.progress * math.pi / 2) * lengths).round().clamp(min=1)
    assert targets.sum(dim=-1).tolist() == expected.tolist()
    assert not (targets & ~valid_mask(lengths, 10)).any()


def test_every_position_is_masked_equally_often() -> None:
    lengths = torch.full((4000,), 6)
    _, _, targets, _ = corrupt(CONFIG, lengths)
    shares = targets.float().mean(dim=0)
    torch.testing.assert_close(shares, shares.mean().expand(6), atol=0.03, rtol=0)
    assert shares.mean().item() == pytest.approx(2 / math.pi, abs=0.02)


def test_counting_over_the_padding_leaves_short_samples_without_a_task() -> None:
    lengths = torch.tensor([10] + [1] * 300)
    ours, official = (
        corrupt(CONFIG.model_copy(update={"mask_over_padded": over_padded}), lengths)[2].sum(dim=-1)
        for over_padded in (False, True)
    )
    assert bool((ours >= 1).all())
    assert bool((official == 0).any())


def test_masked_tokens_become_mask_random_or_stay() -> None:
    lengths = torch.full((4000,), 10)
    tokens, inputs, targets, draws = corrupt(CONFIG, lengths)
    assert torch.equal(inputs[~targets], tokens[~targets])
    count = targets.sum().item()
    masked = (inputs == CONFIG.codebook_size)[targets].sum().item() / count
    random = (targets & draws.use_random).sum().item() / count
    kept = (inputs == tokens)[targets & ~draws.use_random].sum().item() / count
    assert random == pytest.approx(0.1, abs=0.01)
    assert masked == pytest.approx(0.9 * 0.88, abs=0.01)
    assert kept == pytest.approx(0.9 * 0.12, abs=0.01)


def test_padding_becomes_pad_in_the_input() -> None:
    lengths = torch.tensor([10, 4])
    _, inputs, _, _ = corrupt(CONFIG, lengths)
    assert bool((inputs[1, 4:] == CONFIG.codebook_size + 1).all())


def test_losses_repeat_with_the_generator_and_start_near_chance() -> None:
    model, lengths = MaskedTransformer(CONFIG).eval(), torch.tensor([10, 7, 4])
    tokens = tokens_of(lengths)
    first, again, other = (
        model.losses(batch_of(tokens, lengths, video(3)), seeded(seed)) for seed in (0, 0, 1)
    )
    assert first["total"].item() == again["total"].item() != other["total"].item()
    assert first["total"].item() == pytest.approx(math.log(CONFIG.codebook_size), abs=0.3)
    assert 0 <= first["accuracy"].item() <= 1


@pytest.mark.parametrize("over_padded", [False, True])
def test_losses_are_of_the_base_layer_and_a_token_is_four_frames(over_padded: bool) -> None:
    model = MaskedTransformer(CONFIG.model_copy(update={"mask_over_padded": over_padded})).eval()
    lengths = torch.tensor([7, 4])
    finer = torch.randint(8, (2, CONFIG.max_tokens), generator=seeded(3))
    base = torch.randint(8, (2, CONFIG.max_tokens), generator=seeded(4))
    size = 8  # longer than the longest, shorter than the model's longest
    encoded = torch.stack([base, finer], -1)[:, :size]
    batch = Batch(("a", "b"), 4 * lengths + 3, condition=video(2), encoded=encoded)
    tokens = base if over_padded else base[:, :size]  # where the padding counts, it is the model's longest
    draws = MaskingDraws.draw(tokens, CONFIG.codebook_size, 0.0, seeded())
    expected = model.likelihood(tokens, lengths, video(2), draws)
    assert model.losses(batch, seeded())["total"].item() == pytest.approx(expected["total"].item())


def test_condition_is_dropped_in_training_only() -> None:
    config = CONFIG.model_copy(
        update={"condition_drop": 0.99, "dropout": 0.0, "intention_dropout": 0.0, "use_die": False}
    )
    model, lengths = MaskedTransformer(config), torch.full((4,), 10)
    tokens = tokens_of(lengths)
    seeds = next(
        seed
        for seed in range(50)
        if MaskingDraws.draw(tokens, 8, config.condition_drop, seeded(seed)).drop_condition.all()
    )

    def loss(condition: VideoFeatures) -> float:
        return model.losses(batch_of(tokens, lengths, condition), seeded(seeds))["total"].item()

    assert loss(video(4)) == loss(video(4, seed=1))
    model.eval()
    assert loss(video(4)) != loss(video(4, seed=1))


def test_gradients_reach_every_parameter() -> None:
    model, lengths = MaskedTransformer(CONFIG), torch.tensor([10, 7, 4])
    batch = batch_of(tokens_of(lengths), lengths, video(3))
    torch.autograd.backward(model.losses(batch, seeded())["total"])
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_it_learns_to_tell_videos_apart() -> None:
    torch.manual_seed(0)
    model = MaskedTransformer(CONFIG.model_copy(update={"dropout": 0.0}))
    lengths, condition = torch.full((8,), 6), video(8)
    tokens = torch.arange(8)[:, None].expand(8, 6).clone()  # video i wants code i throughout
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    rng = seeded()
    for _ in range(120):
        loss = model.losses(batch_of(tokens, lengths, condition), rng)["total"]
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    generated = model.generate(condition, lengths, drawn(), HeroSampling(temperature=0, guidance_scale=2.0))
    assert (generated == tokens).float().mean().item() > 0.9


@pytest.mark.parametrize("steps", [1, 4, 18])
def test_generation_fills_every_valid_position(steps: int) -> None:
    model, lengths = MaskedTransformer(CONFIG), torch.tensor([9, 1, 4])
    ids = model.generate(video(3), lengths, drawn(), HeroSampling(steps=steps))
    valid = valid_mask(lengths, 9)
    assert ids.shape == (3, 9)
    assert bool(((ids[valid] >= 0) & (ids[valid] < CONFIG.codebook_size)).all())
    assert bool((ids[~valid] == -1).all())
    assert model.training


def test_generation_repeats_with_the_generator_and_varies_without() -> None:
    model, lengths = MaskedTransformer(CONFIG), torch.tensor([10, 10])
    settings = HeroSampling(guidance_scale=1.0, top_k_ratio=1.0)
    first, again, other = (model.generate(video(2), lengths, drawn(seed), settings) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_kept_token_is_never_masked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model, lengths = MaskedTransformer(CONFIG), torch.tensor([10, 6])
    logits, seen = model.logits, list[Tensor]()

    def spy(tokens: Tensor, valid: Tensor, context: Context) -> Tensor:
        seen.append(tokens[: len(lengths)] == model.mask_id)
        return logits(tokens, valid, context)

    monkeypatch.setattr(model, "logits", spy)
    model.generate(video(2), lengths, drawn(), HeroSampling())
    assert seen[0].sum(dim=-1).tolist() == lengths.tolist()
    assert seen[-1].sum(dim=-1).tolist() == [1, 1]
    for earlier, later in pairwise(seen):
        assert not (later & ~earlier).any()


def test_checkpoint_round_trip(tmp_path: Path) -> None:
    model = MaskedTransformer(CONFIG).eval()
    save_network(tmp_path / "best.safetensors", model, {})
    loaded, _ = load_network(tmp_path / "best.safetensors", MaskedTransformer)
    assert loaded.config == CONFIG
    lengths = torch.tensor([8])
    arguments = (video(1), lengths)
    assert torch.equal(
        model.generate(*arguments, drawn(), HeroSampling()),
        loaded.generate(*arguments, drawn(), HeroSampling()),
    )
    with pytest.raises(WeightsError, match="holds a 'hero-masked' model, expected 'hero-residual'"):
        load_network(tmp_path / "best.safetensors", ResidualTransformer)
