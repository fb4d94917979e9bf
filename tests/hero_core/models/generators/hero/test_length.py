from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hero_core.errors import ConfigError
from hero_core.models.base import Batch, TrainingFacts, VideoFeatures
from hero_core.models.checkpoint import load_network, save_network
from hero_core.models.generators.hero.length import LengthConfig, LengthHead
from hero_core.motion.statistics import MotionStatistics

CONFIG = LengthConfig(width=16, dropout=0.0, max_tokens=20, feature_dim=8, intention_heads=2)


def video(seconds: Tensor, starts_seconds: float = 0.0, seed: int = 0) -> VideoFeatures:
    """Clips of random features whose last frame is shown so many seconds ``(b,)`` after the first."""
    frames = torch.randn(len(seconds), 4, 8, generator=torch.Generator().manual_seed(seed))
    times = torch.linspace(0, 1, 4) * seconds[:, None] - starts_seconds
    return VideoFeatures(frames, frames.mean(dim=1), times)


def batch_of(tokens: Tensor, condition: VideoFeatures) -> Batch:
    return Batch(tuple(map(str, range(len(tokens)))), 4 * tokens + 3, condition=condition)


def head_of(seed: int = 0, **changes: object) -> LengthHead:
    torch.manual_seed(seed)
    return LengthHead(CONFIG.model_copy(update=changes)).eval()


def train(head: LengthHead, batches: Iterable[Batch]) -> None:
    optimiser = torch.optim.AdamW(head.train().parameters(), lr=1e-2)
    for batch in batches:
        optimiser.zero_grad()
        torch.autograd.backward(head.losses(batch, torch.Generator())["total"])
        optimiser.step()
    head.eval()


def test_losses_are_of_the_token_counts_and_the_error_is_in_seconds() -> None:
    head, tokens, condition = head_of(), torch.tensor([1, 7, 20]), video(torch.tensor([1.0, 2.0, 3.0]))
    losses = head.losses(batch_of(tokens, condition), torch.Generator())
    log = head.logits(condition).log_softmax(-1)
    expected = -(log[0, 0] + log[1, 6] + log[2, 19]) / 3
    assert losses["total"].item() == pytest.approx(expected.item())
    missed = (head.choose(condition) - tokens).abs().float().mean().item()
    assert losses["error_seconds"].item() == pytest.approx(missed * 4 / 20)


def test_the_median_is_chosen() -> None:
    head, condition = head_of(), video(torch.tensor([1.0]))
    shares = torch.full((20,), 1e-9)
    shares[[3, 8, 14]] = torch.tensor([0.4, 0.2, 0.4])  # 4, 9 and 15 tokens
    with torch.no_grad():
        head.head.weight.zero_()
        head.head.bias.copy_(shares.log())
    assert head.choose(condition).tolist() == [9]
    with torch.no_grad():
        head.head.bias.copy_(torch.eye(20)[19] * 100)
    assert head.choose(condition).tolist() == [20]


@pytest.mark.parametrize("use_iie", [True, False])
def test_it_learns_lengths_from_features_alone(use_iie: bool) -> None:
    tokens = torch.tensor([4, 8, 12, 16] * 4)
    condition = video(torch.ones(16))
    head = head_of(use_iie=use_iie, use_duration=False)
    train(head, [batch_of(tokens, condition)] * 60)
    assert head.choose(condition).tolist() == tokens.tolist()


def test_it_learns_lengths_from_the_duration_wherever_the_motion_begins() -> None:
    tokens = torch.arange(2, 20).repeat(4)
    head = head_of(use_iie=False)
    train(head, (batch_of(tokens, video(tokens / 5, seed=seed)) for seed in range(1, 100)))
    fresh = torch.arange(2, 20)
    later = video(fresh / 5, starts_seconds=0.3)
    missed = (head.choose(later) - fresh).abs().float().mean().item()
    assert missed < 0.5  # tokens; a constant misses 4.5
    blind = head_of(use_iie=False, use_duration=False)
    assert torch.equal(blind.logits(later), blind.logits(video(fresh / 9)))


def test_a_duration_is_rounded_to_the_nearest_token() -> None:
    head = head_of(use_iie=False)
    short, exact, next_one = (head.logits(video(torch.tensor([seconds]))) for seconds in (1.39, 1.4, 1.51))
    assert torch.equal(short, exact)  # 7 tokens
    assert not torch.equal(exact, next_one)


def test_clips_longer_than_any_reaction_can_be_answered() -> None:
    assert 1 <= int(head_of().choose(video(torch.tensor([60.0])))) <= 20


def test_the_intention_looks_at_the_frames() -> None:
    condition = video(torch.ones(3))
    other = condition._replace(frames=condition.frames.roll(1, dims=0))
    plain, intended = head_of(use_iie=False), head_of()
    assert torch.equal(plain.logits(condition), plain.logits(other))
    assert not torch.allclose(intended.logits(condition), intended.logits(other))


def test_sizes_come_from_the_data() -> None:
    statistics = MotionStatistics.from_vectors([np.random.default_rng(0).normal(size=(50, 263))])
    built = LengthHead.build(CONFIG, TrainingFacts(statistics, feature_dim=12, longest_frames=83, parts={}))
    assert built.config.feature_dim == 12
    with pytest.raises(ConfigError, match=r"84 frames, which need length\.model\.max_tokens of at least 21"):
        LengthHead.build(CONFIG, TrainingFacts(statistics, 12, 84, {}))
    with pytest.raises(ConfigError, match="intention_heads"):
        LengthHead.build(CONFIG, TrainingFacts(statistics, 13, 80, {}))


def test_a_checkpoint_gives_the_same_lengths(tmp_path: Path) -> None:
    head, condition = head_of(), video(torch.tensor([1.0, 3.0]))
    save_network(tmp_path / "length.safetensors", head, {})
    loaded, _ = load_network(tmp_path / "length.safetensors", LengthHead)
    assert torch.equal(loaded.logits(condition), head.logits(condition))
