"""Which of many numbers are unlike the others."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

OUTLIER = 3.5
"""A modified z-score above which Iglewicz and Hoaglin (How to detect and handle outliers, 1993) call it an outlier."""

_NORMAL_MAD = 1.4826  # standard deviations in a median absolute deviation of normally distributed numbers
_NORMAL_MEAN = 1.2533  # likewise in a mean absolute deviation


class Unusual(NamedTuple):
    """How far from the rest an entry is, in the measure in which it is farthest; no measure where it has none."""

    score: float
    measure: str


def modified_z(values: ArrayLike) -> NDArray[np.float64]:
    """How far each of ``(n,)`` numbers is from their median, in robust standard deviations; NaN stays NaN.

    The deviation is the median one, or the mean one where more than half of the numbers are the same.
    """
    numbers = np.asarray(values, np.float64)
    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return np.full(numbers.shape, np.nan)
    away = np.abs(known - np.median(known))
    spread = _NORMAL_MAD * np.median(away) or _NORMAL_MEAN * away.mean()
    return (numbers - np.median(known)) / (spread or 1.0)


def most_unusual(numbers: Sequence[Mapping[str, float]], measures: Sequence[str]) -> list[Unusual]:
    """Of each of ``n`` entries, where it is farthest from the others.

    Args:
        numbers: of each, by measure; what is not known is left out.
        measures: which to look at.
    """
    columns = [np.abs(modified_z([each.get(name, np.nan) for each in numbers])) for name in measures]
    scores = np.nan_to_num(np.stack(columns, axis=1))  # (n, measures)
    best = scores.argmax(axis=1)
    return [
        Unusual(float(row[index]), measures[index] if row[index] > 0 else "")
        for row, index in zip(scores, best, strict=True)
    ]
