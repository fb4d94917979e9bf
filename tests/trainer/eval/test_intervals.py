import numpy as np
import pytest

from hero_core.errors import InputError
from trainer.eval.intervals import (
    bootstrap,
    mean_bands,
    mean_over_clips,
    paper_coverage,
    paper_interval,
    share_of,
    student_interval,
    wilson,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_the_papers_interval_uses_n_in_the_denominator():
    assert paper_interval([1.0, 3.0]) == (2.0, pytest.approx(1.96 / np.sqrt(2)))
    assert paper_interval([4.0]) == (4.0, 0.0)
    with pytest.raises(InputError):
        paper_interval([])


def test_students_interval_of_known_cases():
    assert student_interval([1.0, 3.0]) == (
        2.0,
        pytest.approx(12.7062, abs=1e-3),
    )  # t of 1 degree, std / sqrt(2) = 1
    assert student_interval([1.0, 2.0, 3.0]) == (2.0, pytest.approx(4.30265 / np.sqrt(3), abs=1e-4))
    assert student_interval([4.0]) == (4.0, None)
    with pytest.raises(InputError):
        student_interval([])


def test_students_interval_covers_the_truth_of_three_repeats_and_the_papers_does_not(rng):
    repeats = rng.normal(size=(2000, 3))

    def covered(interval):
        return np.mean([abs(found.mean) < found.half_width for found in map(interval, repeats)])

    assert covered(student_interval) == pytest.approx(0.95, abs=0.02)
    assert covered(paper_interval) == pytest.approx(paper_coverage(3), abs=0.02)
    assert paper_coverage(3) == pytest.approx(0.75, abs=0.01)
    assert paper_coverage(20) == pytest.approx(0.93, abs=0.01)


def test_wilson_interval_of_known_cases():
    assert wilson(0.5, 100)[:3] == (0.5, pytest.approx(0.4038, abs=1e-4), pytest.approx(0.5962, abs=1e-4))
    none, every = wilson(0.0, 10), wilson(1.0, 10)
    assert none.low == 0
    assert none.high == pytest.approx(0.2775, abs=1e-4)
    assert every.high == pytest.approx(1.0)


def test_a_share_of_clips_that_are_right_or_wrong_is_wilsons():
    assert share_of([1.0, 0.0, 1.0, 1.0]) == wilson(0.75, 4)
    assert share_of([1.0] * 5).low < 1


def test_several_reactions_to_a_clip_are_resampled_together():
    """Three reactions that are right or wrong together are one observation; independent ones are more."""
    rng = np.random.default_rng(0)
    together = rng.integers(0, 2, 200).astype(float)
    apart = rng.integers(0, 2, (200, 9)).mean(axis=1)
    together[0] = 0.5  # so that the clips are resampled
    wide, narrow = (share_of(values.tolist()) for values in (together, apart))
    assert wide.high - wide.low == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 200), rel=0.1)
    assert narrow.high - narrow.low == pytest.approx((wide.high - wide.low) / 3, rel=0.15)
    assert narrow.low < apart.mean() < narrow.high


def test_the_mean_over_clips_is_covered(rng):
    bands = [mean_over_clips(rng.normal(size=60)) for _ in range(100)]
    assert np.mean([band.low < 0 < band.high for band in bands]) > 0.85
    assert mean_over_clips([0.3] * 10) == (pytest.approx(0.3), pytest.approx(0.3))


def test_bootstrap_stands_around_the_statistic_and_is_as_wide_as_its_standard_error(rng):
    values = rng.normal(size=400)
    band = bootstrap(lambda rows: float(values[rows].mean()), range(400), 500, rng)
    assert band.low == pytest.approx(-band.high, rel=0.2)
    assert band.high - band.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.15)


def test_bootstrap_is_not_biased_by_clips_that_repeat(rng):
    """Of 50 resampled clips about 32 are different ones, which is no reason to expect fewer than 50."""
    band = bootstrap(lambda rows: float(len(set(rows.tolist()))), range(50), 500, rng)
    assert 40 < 50 + band.low < 50 < 50 + band.high < 60


def test_bootstrap_covers_the_mean_of_a_distance_over_splits(rng):
    """The distance of two means, which resampling biases upwards: by how much, it does not hide."""

    def split():
        one = rng.normal(size=(40, 4))
        return one, 0.5 * one + rng.normal(size=(40, 4)) + 0.5

    def distance(one, other):
        return float(np.square(one.mean(axis=0) - other.mean(axis=0)).sum())

    mean = np.mean([distance(*split()) for _ in range(2000)])
    covered = 0
    for _ in range(150):
        one, other = split()
        band = bootstrap(lambda rows, a=one, b=other: distance(a[rows], b[rows]), range(40), 100, rng)
        covered += band.low < mean - distance(one, other) < band.high
    assert covered / 150 == pytest.approx(0.95, abs=0.06)


def test_resamples_without_a_statistic_are_left_out(rng):
    """Such as those of a single clip, where it takes two."""
    band = bootstrap(lambda rows: 1.0 if len(set(rows.tolist())) > 1 else np.nan, range(2), 50, rng)
    assert band == (0.0, 0.0)


def test_pairs_of_one_clip_are_resampled_together(rng):
    once = rng.normal(size=50)
    values, clips = np.repeat(once, 4), np.repeat(np.arange(50), 4).tolist()
    band = bootstrap(lambda rows: float(values[rows].mean()), clips, 800, rng)
    assert band.high - band.low == pytest.approx(2 * 1.96 * once.std() / np.sqrt(50), rel=0.15)


def test_bands_of_means_are_as_wide_as_the_standard_error_of_clips(rng):
    once = rng.normal(size=400)
    values, clips = np.repeat(once, 3), np.repeat(np.arange(400), 3).tolist()
    applies = np.where(np.arange(1200) % 3 == 0, values, np.nan)  # the first pair of each clip
    for band in mean_bands(np.stack([values, applies]), clips):
        assert band.low < once.mean() < band.high
        assert band.high - band.low == pytest.approx(2 * 1.96 * once.std() / 20, rel=0.1)
