"""Every random choice about the data, as pure functions of (seed, epoch, index). No state, so resuming is exact."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import InputError
from hero_core.motion.format import FRAMES_PER_TOKEN, whole_tokens

SHORTER_PROBABILITY = 1 / 3
"""How often a training motion loses one more token than it must (official release, as MoMask)."""

_ORDER, _CROP = 1, 2  # separate streams of random numbers

Draw = tuple[int, int]
"""(epoch, index of a sample)."""


class Span(NamedTuple):
    """Frames ``start`` to ``start + frames`` of a motion."""

    start: int
    frames: int

    @property
    def slice(self) -> slice:
        """The span as an index into the frames."""
        return slice(self.start, self.start + self.frames)


class Places(Protocol):
    """What there is to learn from: numbered places in a list of motions."""

    def __len__(self) -> int: ...

    def locate(self, draw: Draw) -> tuple[int, Span]:
        """Which motion, and where in it."""
        ...


@dataclass(frozen=True)
class Order:
    """Which samples make up which batch. An epoch is whole batches; what is left over changes every epoch."""

    seed: int
    samples: int
    batch_size: int

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch; one smaller batch if there are fewer samples than that."""
        return max(1, self.samples // self.batch_size)

    def draws(self, start_step: int) -> Iterator[list[Draw]]:
        """The batches after the first ``start_step`` ones, without end."""
        epoch, skip = divmod(start_step, self.steps_per_epoch)
        while True:
            order = epoch_order(self.seed, epoch, self.samples)
            for batch in range(skip, self.steps_per_epoch):
                chosen = order[batch * self.batch_size : (batch + 1) * self.batch_size]
                yield [(epoch, int(index)) for index in chosen]
            epoch, skip = epoch + 1, 0


def epoch_order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """The order in which ``count`` samples are visited, ``(count,)``; another one every epoch."""
    return np.random.default_rng([_ORDER, seed, epoch]).permutation(count)


def whole(frames: int) -> Span:
    """The longest span from frame 0 that is a whole number of tokens."""
    return Span(0, whole_tokens(frames))


def crop(seed: int, epoch: int, index: int, frames: int) -> Span:
    """Length and start of sample ``index`` in ``epoch``.

    The length is that of :func:`whole`, or with probability 1/3 one token less, at least one token; the start is
    uniform. Drawn anew every epoch, unlike in the official release, whose batches are frozen.
    """
    rng = np.random.default_rng([_CROP, seed, epoch, index])
    length = _crop_lengths(frames)[int(rng.random() < SHORTER_PROBABILITY)]
    return Span(int(rng.integers(frames - length + 1)), length)


def possible_crops(frames: int) -> list[Span]:
    """Everything that :func:`crop` can be; :func:`whole` comes first."""
    lengths = dict.fromkeys(_crop_lengths(frames))
    return [Span(start, length) for length in lengths for start in range(frames - length + 1)]


def _crop_lengths(frames: int) -> tuple[int, int]:
    """The usual one, and the shorter one."""
    usual = whole_tokens(frames)
    return usual, max(FRAMES_PER_TOKEN, usual - FRAMES_PER_TOKEN)


@dataclass(frozen=True)
class Crops:
    """Every motion is one place, cropped anew in every epoch; ``lengths`` are those of the motions."""

    lengths: Sequence[int]
    seed: int

    def __len__(self) -> int:
        return len(self.lengths)

    def locate(self, draw: Draw) -> tuple[int, Span]:
        """The motion of that number, and the crop of that epoch."""
        epoch, index = draw
        return index, crop(self.seed, epoch, index, self.lengths[index])


class Windows:
    """Every window of ``window_frames`` frames over many motions is a place."""

    def __init__(self, lengths: Sequence[int], window_frames: int) -> None:
        """Number the windows.

        Raises:
            InputError: no motion is long enough for one.
        """
        self.window_frames = window_frames
        windows = np.maximum(np.asarray(lengths, dtype=np.int64) - window_frames + 1, 0)
        self._ends = np.cumsum(windows)
        self.skipped = int(np.count_nonzero(windows == 0))
        """Motions shorter than a window."""
        if len(self) == 0:
            raise InputError(
                f"no training motion has {window_frames} frames; set training.window_frames lower"
            )

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def locate(self, draw: Draw) -> tuple[int, Span]:
        """Which motion, and where in it, the window of that number is; the same in every epoch."""
        index = draw[1]
        motion = int(np.searchsorted(self._ends, index, side="right"))
        first = int(self._ends[motion - 1]) if motion else 0
        return motion, Span(index - first, self.window_frames)
