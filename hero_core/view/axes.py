"""Where numbers stand on an axis: its ends, its scale and its round ticks. Numbers only, no drawing."""

from dataclasses import dataclass
from math import ceil, floor, log10

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ROUND = (1.0, 2.0, 5.0, 10.0)
_NEAR_ZERO = 0.4  # an axis whose lowest number is below this share of its highest begins at zero


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        low: where it begins.
        high: where it ends.
        ticks: round numbers on it, rising.
        logarithmic: its scale; otherwise linear.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def share(self, values: ArrayLike) -> NDArray[np.float64]:
        """How far along the axis numbers are: 0 at its beginning, 1 at its end."""
        numbers = np.asarray(values, np.float64)
        if self.logarithmic:
            return np.asarray(np.log(numbers / self.low) / np.log(self.high / self.low))
        return (numbers - self.low) / (self.high - self.low)

    def labels(self) -> list[str]:
        """The ticks in words, all in the same manner."""
        small = max(map(abs, self.ticks)) <= 1e-3
        return [short(tick, small) for tick in self.ticks]


def exact_axis(low: float, high: float, at_most: int) -> Axis:
    """A linear axis between two numbers, ``low < high``, with at most so many ticks."""
    step = _round_step((high - low) / at_most)
    return Axis(low, high, _multiples(ceil(low / step - 1e-9), floor(high / step + 1e-9), step))


def linear_axis(low: float, high: float, at_most: int) -> Axis:
    """A linear axis that holds both numbers and ends on ticks, of which it has about ``at_most``."""
    if 0 < low < _NEAR_ZERO * high:
        low = 0.0
    if high - low <= 1e-9 * max(abs(high), abs(low)):
        margin = abs(high) / 2 or 0.5
        low, high = low - margin, high + margin
    step = _round_step((high - low) / (at_most - 1))
    ticks = _multiples(floor(low / step + 1e-9), ceil(high / step - 1e-9), step)
    return Axis(ticks[0], ticks[-1], ticks)


def log_axis(low: float, high: float, at_most: int) -> Axis:
    """A logarithmic axis that holds ``0 < low < high`` and ends on ticks, of which it has about ``at_most``."""
    first, last = floor(log10(low) + 1e-9), ceil(log10(high) - 1e-9)
    if last - first > 2:
        every = ceil((last - first) / (at_most - 1))
        ticks = [10.0**exponent for exponent in range(first, last + every, every)]
    else:
        candidates = [
            leading * 10.0**exponent for exponent in range(first, last + 1) for leading in _ROUND[:3]
        ]
        begin = max(each for each in candidates if each <= low * (1 + 1e-9))
        end = min(each for each in candidates if each >= high * (1 - 1e-9))
        ticks = [each for each in candidates if begin <= each <= end]
    return Axis(ticks[0], ticks[-1], tuple(ticks), logarithmic=True)


def short(value: float, scientific: bool = False) -> str:
    """A number in four digits, small ones like 2.5e-4 (or all, if so wished), large ones like 20k and 3M."""
    if value == 0:
        return "0"
    if scientific or abs(value) < 1e-3:
        leading, _, exponent = f"{value:.3e}".partition("e")
        return f"{float(leading):g}e{int(exponent)}"
    if abs(value) >= 1e6:
        return f"{value / 1e6:.4g}M"
    return f"{value / 1e3:.4g}k" if abs(value) >= 1e4 else f"{value:.4g}"


def _round_step(step: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not below ``step``."""
    power = 10.0 ** floor(log10(step))
    return next(each * power for each in _ROUND if each * power >= step * (1 - 1e-9))


def _multiples(first: int, last: int, step: float) -> tuple[float, ...]:
    return tuple(
        float(f"{index * step:.9g}") for index in range(first, last + 1)
    )  # 0.3, not 0.30000000000000004
