"""How sure a number is: over repeats, over clips, and over training runs. All intervals are 95 % ones."""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student_t

from hero_core.errors import InputError

_LEVEL = 0.95
_TAILS_PERCENT = (2.5, 97.5)
_Z95 = 1.96
SHARE_RESAMPLES = 2000


class Interval(NamedTuple):
    """Mean and half width; None of a single value, which says nothing of its spread."""

    mean: float
    half_width: float | None


class Band(NamedTuple):
    """Ends of an interval."""

    low: float
    high: float


class Share(NamedTuple):
    """A share of clips with its interval."""

    share: float
    low: float
    high: float
    clips: int


def paper_interval(values: ArrayLike) -> Interval:
    """Mean and ``1.96 std / sqrt(n)`` of the repeats' values, std with n in the denominator (as published).

    Raises:
        InputError: there is no value.
    """
    repeats = _list_of_values(values)
    return Interval(float(repeats.mean()), float(_Z95 * repeats.std() / np.sqrt(repeats.size)))


def paper_coverage(repeats: int) -> float:
    """How often :func:`paper_interval` of two normal values or more holds their mean."""
    quantile = _Z95 * np.sqrt((repeats - 1) / repeats)
    return float(2 * student_t.cdf(quantile, repeats - 1) - 1)


def student_interval(values: ArrayLike) -> Interval:
    """Mean and ``t std / sqrt(n)``, t of n - 1 degrees of freedom and std with n - 1 in the denominator.

    Over three values it is 2.7 times as wide as :func:`paper_interval`, over twenty 1.1 times.

    Raises:
        InputError: there is no value.
    """
    repeats = _list_of_values(values)
    if repeats.size == 1:
        return Interval(float(repeats[0]), None)
    quantile = float(student_t.ppf(0.5 + _LEVEL / 2, repeats.size - 1))
    return Interval(float(repeats.mean()), float(quantile * repeats.std(ddof=1) / np.sqrt(repeats.size)))


def wilson(share: float, count: int) -> Share:
    """A share of ``count`` independent clips with its interval (Wilson, 1927)."""
    spread = _Z95**2 / count
    centre = (share + spread / 2) / (1 + spread)
    half = float(_Z95 * np.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread))
    return Share(share, max(0.0, centre - half), min(1.0, centre + half), count)


def share_of(values: Sequence[float]) -> Share:
    """The mean of clips that each count with the share of their reactions that are right.

    Wilson's interval where every clip is either right or wrong; otherwise, as the reactions to one clip are not
    independent, percentiles of the means of resampled clips.
    """
    clips = np.asarray(values, np.float64)
    if np.isin(clips, (0.0, 1.0)).all():
        return wilson(float(clips.mean()), len(clips))
    low, high = mean_over_clips(clips)
    return Share(float(clips.mean()), low, high, len(clips))


def mean_over_clips(values: ArrayLike) -> Band:
    """Percentile bootstrap of the mean of one value for each clip; always the same resamples."""
    clips = np.asarray(values, np.float64)
    rng = np.random.default_rng(0)
    means = [clips[rng.integers(len(clips), size=len(clips))].mean() for _ in range(SHARE_RESAMPLES)]
    return Band(*np.percentile(means, _TAILS_PERCENT).tolist())


def resampled_means(
    values: ArrayLike, clips: Sequence[Hashable], resamples: int = SHARE_RESAMPLES
) -> NDArray[np.float64]:
    """Means over the pairs of resampled clips; always the same resamples.

    Args:
        values: ``(m, n)``, m measures of n pairs; NaN where one does not apply.
        clips: of every pair; the pairs of a clip come together.
        resamples: how many.

    Returns:
        ``(resamples, m)``; NaN where a measure applies to no pair that was drawn.
    """
    measures = np.asarray(values, np.float64)
    numbers = {clip: number for number, clip in enumerate(dict.fromkeys(clips))}
    of_clip = np.array([numbers[clip] for clip in clips])
    applies = np.isfinite(measures)
    sums, counts = (
        np.stack([np.bincount(of_clip, row, minlength=len(numbers)) for row in rows])  # (m, clips)
        for rows in (np.where(applies, measures, 0.0), applies.astype(np.float64))
    )
    rng = np.random.default_rng(0)
    means = np.full((resamples, len(measures)), np.nan)
    for mean in means:
        times = np.bincount(rng.integers(len(numbers), size=len(numbers)), minlength=len(numbers))
        count = counts @ times
        np.divide(sums @ times, count, out=mean, where=count > 0)
    return means


def mean_bands(values: ArrayLike, clips: Sequence[Hashable]) -> list[Band]:
    """Interval over clips of the mean of each of ``values (m, n)``, see :func:`resampled_means`."""
    ends = np.nanpercentile(resampled_means(values, clips), _TAILS_PERCENT, axis=0)  # (2, m)
    return [Band(*pair) for pair in ends.T.tolist()]


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float],
    clips: Sequence[Hashable],
    resamples: int,
    rng: np.random.Generator,
) -> Band:
    """How far a statistic moves with the clips that happen to be in the split: ends of an interval around it, less it.

    Resampled clips repeat, which biases a distance between distributions upwards. So the resamples give the spread
    alone, around their own mean: percentiles, not turned round, which cover better where a distance is near 0. Around
    the statistic of the clips as they are they cover what splits of this size have on average; a single other split's
    moves as much again.

    Args:
        statistic: of rows; a row may come several times. Resamples of which it is NaN are left out.
        clips: of every row; the rows of a clip come together.
        resamples: how many.
        rng: which.
    """
    rows_of: dict[Hashable, list[int]] = {}
    for row, clip in enumerate(clips):
        rows_of.setdefault(clip, []).append(row)
    groups = [np.array(rows) for rows in rows_of.values()]
    draws = rng.integers(len(groups), size=(resamples, len(groups)))
    if len(groups) > 1:  # one clip alone, again and again, says nothing of a distribution
        draws = draws[(draws != draws[:, :1]).any(axis=1)]
    found = np.array([statistic(np.concatenate([groups[group] for group in draw])) for draw in draws])
    found = found[np.isfinite(found)] if np.isfinite(found).any() else np.zeros(1)
    low, high = np.percentile(found, _TAILS_PERCENT) - found.mean()
    return Band(float(low), float(high))


def _list_of_values(values: ArrayLike) -> NDArray[np.float64]:
    repeats = np.asarray(values, np.float64)
    if repeats.ndim != 1 or repeats.size == 0:
        raise InputError(f"a confidence interval needs a list of values, not shape {repeats.shape}")
    return repeats
