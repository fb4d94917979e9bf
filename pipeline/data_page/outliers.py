"""Which of many numbers are unlike the others."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

OUTLIER = 3.5
"""A modified z-score above which Iglewicz and Hoaglin (How to detect and handle outliers, 1993) call it an outlier."""

_NORMAL = 1.4826  # standard deviations in a median absolute deviation of normally distributed numbers


class Unusual(NamedTuple):
    """How far from the rest an entry is, and in which measure it is so far."""

    score: float
    measure: str


def distances(values: ArrayLike, matters: float) -> NDArray[np.float64]:
    """How far each of ``(n,)`` numbers is from their median, in robust standard deviations; NaN stays NaN.

    Args:
        values: the numbers.
        matters: the least deviation, in their unit: where nearly all are the same, a hair's breadth is no outlier.
    """
    numbers = np.asarray(values, np.float64)
    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return np.full(numbers.shape, np.nan)
    middle = np.median(known)
    deviation = max(_NORMAL * float(np.median(np.abs(known - middle))), matters)
    return np.asarray(np.abs(numbers - middle) / deviation)


def most_unusual(numbers: Sequence[Mapping[str, float]], matters: Mapping[str, float]) -> list[Unusual]:
    """Of each of ``n`` entries, where it is farthest from the others.

    Args:
        numbers: of each, by measure; what is not known is left out.
        matters: of each measure, as :func:`distances` takes it.
    """
    columns = [
        distances([each.get(name, np.nan) for each in numbers], least) for name, least in matters.items()
    ]
    scores = np.nan_to_num(np.stack(columns, axis=1))  # (n, measures)
    names = list(matters)
    return [
        Unusual(float(row[index]), names[index])
        for row, index in zip(scores, scores.argmax(axis=1), strict=True)
    ]
