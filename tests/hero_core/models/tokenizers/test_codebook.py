import pytest
import torch
from torch import Tensor

from hero_core.models.tokenizers.codebook import Codebook, CodeReset


def _codebook(size: int = 4, dim: int = 3, reset: CodeReset = "random") -> Codebook:
    codebook = Codebook(size, dim, decay=0.99, reset=reset)
    codebook.codebook.copy_(torch.randn(size, dim, generator=_rng()))
    codebook.code_count.fill_(10.0)
    codebook.code_sum.copy_(10.0 * codebook.codebook)
    codebook.initialised.fill_(True)
    return codebook


def _rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _is_row_of(vector: Tensor, rows: Tensor) -> bool:
    return bool((rows == vector).all(-1).any())


def test_distances_are_squared_euclidean() -> None:
    codebook = _codebook()
    latents = torch.randn(5, 3, generator=_rng(1))
    expected = torch.cdist(latents.double(), codebook.codebook.double()).square()
    torch.testing.assert_close(codebook.distances(latents).double(), expected, rtol=0, atol=1e-5)
    assert torch.equal(codebook.nearest(latents), expected.argmin(-1))


def test_minus_one_looks_up_the_zero_vector() -> None:
    codebook = _codebook()
    vectors = codebook.look_up(torch.tensor([[2, -1]]))
    assert torch.equal(vectors[0, 0], codebook.codebook[2])
    assert torch.equal(vectors[0, 1], torch.zeros(3))


def test_sampling_has_the_stated_probabilities() -> None:
    codebook = _codebook()
    latent = torch.randn(1, 3, generator=_rng(1))
    draws = 40_000
    sampled = codebook.sample(latent.expand(draws, 3), 2.0, torch.rand(draws, 4, generator=_rng(2)))
    expected = (-codebook.distances(latent)[0] / 2.0).softmax(-1)
    torch.testing.assert_close(sampled.bincount(minlength=4) / draws, expected, rtol=0, atol=0.01)


def test_sampling_at_temperature_zero_takes_the_nearest() -> None:
    codebook = _codebook()
    latents = torch.randn(50, 3, generator=_rng(1))
    sampled = codebook.sample(latents, 0.0, torch.rand(50, 4, generator=_rng(2)))
    assert torch.equal(sampled, codebook.nearest(latents))


def test_sampling_bears_a_uniform_of_zero() -> None:
    sampled = _codebook().sample(torch.zeros(1, 3), 0.5, torch.zeros(1, 4))
    assert 0 <= int(sampled) < 4


def test_perplexity_counts_the_codes_in_use() -> None:
    codebook = _codebook()
    assert float(codebook.perplexity(torch.tensor([0, 1, 2, 3]))) == pytest.approx(4.0, rel=1e-5)
    assert float(codebook.perplexity(torch.tensor([1, 1, 1, 1]))) == pytest.approx(1.0, rel=1e-5)


def test_update_is_a_moving_average() -> None:
    codebook = _codebook()
    before, latents = codebook.codebook.clone(), torch.randn(6, 3, generator=_rng(1))
    codebook.update(latents, torch.full((6,), 2), _rng())
    count = 0.99 * 10 + 0.01 * 6
    expected = (0.99 * 10 * before[2] + 0.01 * latents.sum(0)) / count
    torch.testing.assert_close(codebook.codebook[2], expected)
    torch.testing.assert_close(codebook.code_count, torch.tensor([9.9, 9.9, count, 9.9]))
    torch.testing.assert_close(codebook.codebook[[0, 1, 3]], before[[0, 1, 3]])


def test_random_reset_restarts_unused_codes_at_distinct_rows_of_the_batch() -> None:
    codebook = _codebook()
    codebook.code_count[1:3] = 0.5
    latents = torch.randn(20, 3, generator=_rng(1))
    codebook.update(latents, torch.zeros(20, dtype=torch.int64), _rng(2))
    assert _is_row_of(codebook.codebook[1], latents)
    assert _is_row_of(codebook.codebook[2], latents)
    assert not torch.equal(codebook.codebook[1], codebook.codebook[2])
    assert torch.equal(codebook.code_sum[1:3], codebook.codebook[1:3])
    assert torch.equal(codebook.code_count[1:3], torch.ones(2))


def test_a_rare_code_stays_where_little_use_is_enough() -> None:
    codebook = _codebook()
    codebook.least_use = 0.25
    codebook.code_count[1:3] = torch.tensor([0.5, 0.2])
    codebook.code_sum.copy_(codebook.code_count[:, None] * codebook.codebook)
    before, latents = codebook.codebook.clone(), torch.randn(20, 3, generator=_rng(1))
    codebook.update(latents, torch.zeros(20, dtype=torch.int64), _rng(2))
    torch.testing.assert_close(codebook.codebook[1], before[1])
    fresh = codebook.codebook[2].clone()
    assert _is_row_of(fresh, latents)
    for _ in range(100):  # a fresh code has time to be taken
        codebook.update(latents, torch.zeros(20, dtype=torch.int64), _rng(3))
    torch.testing.assert_close(codebook.codebook[2], fresh)


def test_official_reset_takes_row_i_and_keeps_the_average() -> None:
    codebook = _codebook(reset="official")
    codebook.code_count[1:3] = 0.5
    latents = torch.randn(20, 3, generator=_rng(1))
    codebook.update(latents, torch.zeros(20, dtype=torch.int64), _rng(2))
    assert torch.equal(codebook.codebook[1:3], latents[1:3])
    torch.testing.assert_close(codebook.code_count[1:3], torch.full((2,), 0.495))


def test_reset_draws_from_the_generator_it_is_given() -> None:
    first, second = _codebook(), _codebook()
    latents = torch.randn(20, 3, generator=_rng(1))
    for codebook in (first, second):
        codebook.code_count.fill_(0.1)
        codebook.update(latents, torch.zeros(20, dtype=torch.int64), _rng(7))
    assert torch.equal(first.codebook, second.codebook)


def test_a_code_never_used_stays_finite() -> None:
    codebook = _codebook(reset="official")
    codebook.code_count.zero_()
    codebook.code_sum.zero_()
    codebook.update(torch.randn(6, 3, generator=_rng(1)), torch.zeros(6, dtype=torch.int64), _rng())
    assert torch.isfinite(codebook.codebook).all()


@pytest.mark.parametrize("reset", ["random", "official"])
def test_initialising_from_fewer_rows_than_codes_tells_the_copies_apart(reset: CodeReset) -> None:
    codebook = Codebook(16, 3, decay=0.99, reset=reset)
    latents = torch.randn(5, 3, generator=_rng(1))
    codebook.start(latents, _rng())
    assert len({tuple(code.tolist()) for code in codebook.codebook}) == 16
    assert torch.cdist(codebook.codebook, latents).min(-1).values.max() < 0.05
    assert torch.equal(codebook.code_count, torch.ones(16))
    assert codebook.initialised
