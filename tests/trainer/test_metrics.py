"""Properties of the metrics that hold for any embeddings."""

import numpy as np
import pytest
import scipy.linalg

from hero_core.errors import InputError
from trainer import metrics


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def _textbook_fid(real, generated):
    covariance1, covariance2 = np.cov(real, rowvar=False), np.cov(generated, rowvar=False)
    root = np.asarray(scipy.linalg.sqrtm(covariance1 @ covariance2))
    shift = real.mean(axis=0) - generated.mean(axis=0)
    return shift @ shift + np.trace(covariance1 + covariance2 - 2 * root.real)


def test_fid_equals_the_textbook_formula(rng):
    real = rng.normal(size=(200, 12)) @ rng.normal(size=(12, 12))
    generated = rng.normal(size=(150, 12)) @ rng.normal(size=(12, 12)) + 0.3
    assert metrics.fid(real, generated) == pytest.approx(_textbook_fid(real, generated), rel=1e-9)


def test_fid_is_symmetric_unmoved_by_rotation_and_quadratic_in_scale(rng):
    real, generated = rng.normal(size=(90, 6)), rng.normal(size=(80, 6)) * 1.5
    rotation, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    value = metrics.fid(real, generated)
    assert metrics.fid(generated, real) == pytest.approx(value)
    assert metrics.fid(real @ rotation + 5, generated @ rotation + 5) == pytest.approx(value)
    assert metrics.fid(3 * real, 3 * generated) == pytest.approx(9 * value)


def test_fid_of_a_pure_shift_is_its_squared_length(rng):
    real = rng.normal(size=(50, 4))
    assert metrics.fid(real, real + np.array([1, 2, 0, 0])) == pytest.approx(5)


def test_fid_stays_real_and_non_negative_when_rank_deficient(rng):
    real, generated = rng.normal(size=(9, 64)), rng.normal(size=(7, 64))
    with pytest.warns(metrics.RankDeficientWarning, match="7 samples of 64"):
        assert metrics.fid(real, generated) > 0


def test_fid_refuses_what_it_cannot_measure(rng):
    good, broken = rng.normal(size=(9, 3)), rng.normal(size=(9, 3))
    broken[2, 1] = np.nan
    with pytest.raises(InputError, match="1 of 9 generated embeddings are not finite"):
        metrics.fid(good, broken)
    with pytest.raises(InputError, match="3 values, generated ones 2"):
        metrics.fid(good, good[:, :2])
    with pytest.raises(InputError, match="n >= 2"):
        metrics.fid(good[:1], good)


def test_diversity_is_the_mean_over_drawn_pairs_and_repeatable(rng):
    embeddings = rng.normal(size=(40, 5))
    value = metrics.diversity(embeddings, 40, np.random.default_rng(3))
    assert value == metrics.diversity(embeddings, 40, np.random.default_rng(3))
    assert value != metrics.diversity(embeddings, 40, np.random.default_rng(4))
    first, second = metrics.draw_pairs(40, 40, np.random.default_rng(3))
    assert value == pytest.approx(metrics.diversity_at(embeddings, first, second))
    assert sorted(first) == sorted(second) == list(range(40))  # without replacement
    with pytest.raises(InputError, match="41 pairs cannot be drawn"):
        metrics.diversity(embeddings, 41, rng)


def test_multimodality_is_zero_for_equal_repeats_and_the_distance_for_two_points(rng):
    equal = np.repeat(rng.normal(size=(4, 1, 3)), 30, axis=1)
    assert metrics.multimodality(equal, 10, rng) == 0
    two = np.stack([np.zeros((2, 3)), np.full((2, 3), 2.0)], axis=1)  # (2 prompts, 2 repeats, 3)
    assert metrics.multimodality_at(two, np.array([0, 0]), np.array([1, 0])) == pytest.approx(np.sqrt(12) / 2)
    with pytest.raises(InputError, match="prompts, repeats, d"):
        metrics.multimodality(equal[0], 10, rng)


def test_mpjpe_ignores_where_the_body_stands(rng):
    real = rng.normal(size=(7, 22, 3))
    np.testing.assert_allclose(metrics.mpjpe(real, real + 4.0), 0, atol=1e-12)
    moved = real.copy()
    moved[:, 5, 0] += 0.22
    np.testing.assert_allclose(metrics.mpjpe(real, moved), 0.01)


def _kid_by_hand(real, generated, clips):
    def kernel(x, y):
        return (x @ y / len(x) + 1) ** 3

    rows = [(i, j) for i in range(len(clips)) for j in range(len(clips)) if clips[i] != clips[j]]
    return np.mean(
        [
            kernel(real[i], real[j])
            + kernel(generated[i], generated[j])
            - kernel(real[i], generated[j])
            - kernel(real[j], generated[i])
            for i, j in rows
        ]
    )


def test_kid_is_the_mean_of_the_kernel_over_pairs_of_other_clips(rng):
    real, generated = rng.normal(size=(6, 3)), rng.normal(size=(6, 3)) + 0.5
    for clips in (list("abcdef"), list("aabbcd")):
        found = metrics.kid(real, generated, clips)
        assert found == pytest.approx(_kid_by_hand(real, generated, clips), rel=1e-9)


def test_kid_is_zero_of_one_set_and_on_average_of_one_distribution(rng):
    real = rng.normal(size=(40, 4))
    assert metrics.kid(real, real, range(40)) == pytest.approx(0, abs=1e-9)

    def drawn(shift, count):
        """Reactions that are like the true motions of their clips, as a good model's are."""
        clip = rng.normal(size=(count, 4))
        return metrics.kid(
            clip + 0.3 * rng.normal(size=(count, 4)),
            clip + shift + 0.3 * rng.normal(size=(count, 4)),
            range(count),
        )

    few, many = ([drawn(0.0, count) for _ in range(400)] for count in (10, 40))
    for found in (few, many):
        error = np.std(found) / np.sqrt(len(found))
        assert abs(np.mean(found)) < 3 * error  # unbiased, however few there are
        assert min(found) < 0
    assert np.mean([drawn(1.0, 40) for _ in range(20)]) > 10 * np.std(many)


def test_kid_of_resampled_rows_is_that_of_the_rows_themselves(rng):
    real, generated = rng.normal(size=(8, 3)), rng.normal(size=(8, 3))
    terms = metrics.KernelTerms.of(real, generated, range(8))
    rows = np.array([0, 0, 3, 5, 5, 5, 7])
    assert terms.mean(rows) == pytest.approx(_kid_by_hand(real[rows], generated[rows], rows.tolist()))
    assert np.isnan(terms.mean(np.array([3, 3, 3])))


def test_kid_refuses_what_does_not_belong_together(rng):
    real = rng.normal(size=(4, 3))
    with pytest.raises(InputError, match="of 3 rows"):
        metrics.kid(real, real, range(3))
    with pytest.raises(InputError, match=r"\(4, 3\) real and \(3, 3\) generated"):
        metrics.kid(real, real[:3], range(4))
    with pytest.raises(InputError, match="all motions are of one clip"):
        metrics.kid(real, real, ["a"] * 4)
