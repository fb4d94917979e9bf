import math

import pytest
import torch
from torch import Tensor, nn

from hero_core.models.base import VideoFeatures
from hero_core.models.sampling import (
    Guidance,
    cosine_mask_ratio,
    generating,
    keep_likeliest,
    lowest_ranks,
    sample_tokens,
    uniform_ahead,
    uniform_from,
)


def uniforms(*shape: int, seed: int = 0) -> Tensor:
    return uniform_from(torch.Generator().manual_seed(seed), torch.device("cpu"))(shape)


def test_mask_ratio_falls_from_all_to_nothing() -> None:
    ratios = cosine_mask_ratio(torch.linspace(0, 1, 11))
    assert ratios[0].item() == 1
    assert ratios[-1].item() == pytest.approx(0, abs=1e-6)
    assert bool((ratios.diff() < 0).all())
    assert ratios[5].item() == pytest.approx(math.sqrt(0.5))


def test_top_k_keeps_the_official_count() -> None:
    logits = torch.randn(3, 512)
    assert (keep_likeliest(logits, 1 - 0.9) > -math.inf).sum(dim=-1).tolist() == [52, 52, 52]
    assert keep_likeliest(torch.randn(1, 513), 0.1).isfinite().sum().item() == 52
    assert torch.equal(keep_likeliest(logits, 1.0), logits)


def test_top_k_treats_equal_logits_alike() -> None:
    assert keep_likeliest(torch.tensor([1.0, 2.0, 1.0, 0.0]), 0.5).tolist() == [1.0, 2.0, 1.0, -math.inf]


def test_samples_follow_the_tempered_distribution() -> None:
    probabilities, temperature = torch.tensor([0.5, 0.3, 0.2]), 0.7
    draws = sample_tokens(probabilities.log().expand(200_000, -1), uniforms(200_000, 3), temperature, 1.0)
    expected = (probabilities.log() / temperature).softmax(dim=0)
    measured = draws.bincount(minlength=3) / len(draws)
    torch.testing.assert_close(measured, expected, atol=0.005, rtol=0)


def test_samples_stay_among_the_likeliest() -> None:
    logits = torch.tensor([0.0, 3.0, 2.9, 1.0]).expand(5_000, -1)
    assert set(sample_tokens(logits, uniforms(5_000, 4), 1.0, 0.5).tolist()) == {1, 2}


def test_temperature_zero_takes_the_maximum_whatever_the_noise() -> None:
    logits = torch.randn(50, 8)
    noise = torch.tensor([0.0, 1 - 2**-24]).repeat(50, 4)  # the extremes that a uniform draw can give
    assert torch.equal(sample_tokens(logits, noise, 0.0, 1.0), logits.argmax(dim=-1))


def test_of_equal_scores_the_earlier_positions_are_taken() -> None:
    scores = torch.ones(2, 40)
    scores[1, 3] = 0
    chosen = lowest_ranks(scores, torch.tensor([5, 2]))
    assert chosen[0].nonzero()[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert chosen[1].nonzero()[:, 0].tolist() == [0, 3]


def test_guidance_moves_away_from_the_unconditional() -> None:
    condition = VideoFeatures(torch.randn(2, 3, 4), torch.randn(2, 4), torch.zeros(2, 3))
    guidance = Guidance(4.0)
    rows, keep = guidance.condition(condition)
    assert keep.tolist() == [True, True, False, False]
    assert torch.equal(rows.frames[:2], rows.frames[2:])
    conditional, unconditional = torch.randn(2, 5, 6), torch.randn(2, 5, 6)
    combined = guidance.combine(torch.cat([conditional, unconditional]))
    torch.testing.assert_close(combined, 4 * conditional - 3 * unconditional, atol=1e-5, rtol=1e-5)
    assert torch.equal(Guidance(0.0).combine(torch.cat([conditional, unconditional])), unconditional)


def test_scale_one_needs_no_second_pass() -> None:
    condition = VideoFeatures(torch.randn(2, 3, 4), torch.randn(2, 4), torch.zeros(2, 3))
    rows, keep = Guidance(1.0).condition(condition)
    assert len(rows.frames) == 2
    assert keep.all()
    logits = torch.randn(2, 5, 6)
    assert Guidance(1.0).combine(logits) is logits


def test_generating_restores_every_part() -> None:
    model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout()))
    model.train()
    model[1].eval()
    with generating(model):
        assert not any(module.training for module in model.modules())
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    assert [module.training for module in (model, model[0], model[1])] == [True, True, False]


@pytest.mark.parametrize("size", [3, 5])
def test_draws_made_ahead_are_those_of_one_call_after_another(size: int) -> None:
    rng, ahead = (torch.Generator().manual_seed(4) for _ in range(2))
    one, other = (2, 3, 8), (2, 3, 9)  # (b, m, classes) of the two transformers
    uniform = uniform_from(rng, torch.device("cpu"))
    expected = [
        torch.stack([uniform(shape) for _ in range(times)]) for times, shape in ((4, one), (2, other))
    ]
    for times, numbers in ((4, expected[0]), (2, expected[1])):
        drawn = uniform_ahead(ahead, times, numbers.shape[1:], size, torch.device("cpu"))
        assert drawn.shape == (times, 2, size, numbers.shape[-1])
        assert torch.equal(drawn[:, :, :3], numbers)
    assert torch.equal(rng.get_state(), ahead.get_state())
