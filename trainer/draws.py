"""Every random choice about the data, as pure functions of (seed, epoch, index). No state, so resuming is exact."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import InputError

UNIT_FRAMES = 4
"""Frames that one motion token stands for."""

SHORTER_PROBABILITY = 1 / 3
"""How often a training motion loses one more token than it must (official release, as MoMask)."""

_ORDER, _CROP = 1, 2  # separate streams of random numbers


class Span(NamedTuple):
    """Frames ``start`` to ``start + frames`` of a motion."""

    start: int
    frames: int

    @property
    def slice(self) -> slice:
        """The span as an index into the frames."""
        return slice(self.start, self.start + self.frames)


def epoch_order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """The order in which ``count`` samples are visited, ``(count,)``; another one every epoch."""
    return np.random.default_rng([_ORDER, seed, epoch]).permutation(count)


def whole_tokens(frames: int) -> Span:
    """The longest span from frame 0 that is a whole number of tokens."""
    return Span(0, frames // UNIT_FRAMES * UNIT_FRAMES)


def crop(seed: int, epoch: int, index: int, frames: int) -> Span:
    """Length and start of sample ``index`` in ``epoch``.

    The length is that of :func:`whole_tokens`, or with probability 1/3 one token less, at least one token; the
    start is uniform. Drawn anew every epoch, unlike in the official release, whose batches are frozen.
    """
    rng = np.random.default_rng([_CROP, seed, epoch, index])
    shorter = rng.random() < SHORTER_PROBABILITY
    length = max(UNIT_FRAMES, whole_tokens(frames).frames - UNIT_FRAMES * shorter)
    return Span(int(rng.integers(frames - length + 1)), length)


class WindowMap:
    """Numbers every window of ``window_frames`` frames over many motions."""

    def __init__(self, lengths: Sequence[int], window_frames: int) -> None:
        self.window_frames = window_frames
        windows = np.maximum(np.asarray(lengths, dtype=np.int64) - window_frames + 1, 0)
        self._ends = np.cumsum(windows)
        self.skipped = int(np.count_nonzero(windows == 0))
        """Motions shorter than a window."""
        if len(self) == 0:
            raise InputError(f"no training motion has {window_frames} frames; set rvq.training.window_frames")

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def locate(self, index: int) -> tuple[int, Span]:
        """Which motion, and where in it, window ``index`` is."""
        motion = int(np.searchsorted(self._ends, index, side="right"))
        first = int(self._ends[motion - 1]) if motion else 0
        return motion, Span(index - first, self.window_frames)
