"""Every random choice about the data, as pure functions of (seed, epoch, index). No state, so resuming is exact."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import InputError
from hero_core.motion.format import FRAMES_PER_TOKEN, whole_tokens

SHORTER_PROBABILITY = 1 / 3
"""How often a training motion loses one more token than it must (official release, as MoMask)."""

_ORDER, _CROP = 1, 2  # separate streams of random numbers; blocks.py has the next ones

Indices = NDArray[np.int64]


class Draw(NamedTuple):
    """The places ``(b,)`` of one batch, and in which epoch it is."""

    epoch: int
    places: Indices


class Pieces(NamedTuple):
    """Pieces of motions: of motion ``motions[i]`` the ``frames[i]`` frames from ``starts[i]`` on; ``(b,)`` each."""

    motions: Indices
    starts: Indices
    frames: Indices


class Places(Protocol):
    """What there is to learn from: numbered places in a list of motions, those of one motion after another.

    Attributes:
        firsts: the first place of each motion, and at the end how many there are in all; ``(motions + 1,)``.
    """

    firsts: Indices

    def __len__(self) -> int: ...

    def locate(self, draw: Draw) -> Pieces:
        """Which motions, and where in them."""
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

    def draws(self, start_step: int) -> Iterator[Draw]:
        """The batches after the first ``start_step`` ones, without end."""
        epoch, skip = divmod(start_step, self.steps_per_epoch)
        while True:
            order = epoch_order(self.seed, epoch, self.samples)
            for batch in range(skip, self.steps_per_epoch):
                yield Draw(epoch, order[batch * self.batch_size : (batch + 1) * self.batch_size])
            epoch, skip = epoch + 1, 0

    @property
    def identity(self) -> Mapping[str, str]:
        """What a run must keep to go on in this order, by the names of the settings; nothing in the usual one."""
        return {}


def epoch_order(seed: int, epoch: int, count: int) -> Indices:
    """The order in which ``count`` samples are visited, ``(count,)``; another one every epoch."""
    return np.random.default_rng([_ORDER, seed, epoch]).permutation(count)


def whole_motions(motions: Indices, lengths: Indices) -> Pieces:
    """Of each of the motions, which have ``lengths`` frames, the most that is whole tokens, from frame 0 on."""
    return Pieces(motions, np.zeros_like(motions), whole_tokens(lengths))


class CropLengths(NamedTuple):
    """The two lengths that crops have: as many whole tokens as a motion holds, and one less, at least one."""

    usual: Indices
    shorter: Indices

    @classmethod
    def of(cls, lengths: Indices) -> "CropLengths":
        """Of motions with so many frames."""
        usual = whole_tokens(lengths)
        return cls(usual, np.maximum(FRAMES_PER_TOKEN, usual - FRAMES_PER_TOKEN))


class Crops:
    """Every motion is one place, cropped anew in every epoch.

    A crop has the usual length, or with probability 1/3 the shorter one; its start is uniform. Drawn anew every epoch,
    unlike in the official release, whose batches are frozen.
    """

    def __init__(self, lengths: Sequence[int], seed: int) -> None:
        """Take the lengths of the motions in frames."""
        self._lengths = np.asarray(lengths, np.int64)
        self._seed = seed
        self.firsts: Indices = np.arange(len(lengths) + 1)

    def __len__(self) -> int:
        return len(self._lengths)

    def locate(self, draw: Draw) -> Pieces:
        """The motions of these numbers, and their crops of that epoch."""
        shorter, start = _crop_numbers(self._seed, draw.epoch, len(self))[:, draw.places]
        lengths = self._lengths[draw.places]
        possible = CropLengths.of(lengths)
        frames = np.where(shorter < SHORTER_PROBABILITY, possible.shorter, possible.usual)
        return Pieces(draw.places, (start * (lengths - frames + 1)).astype(np.int64), frames)


@lru_cache(maxsize=2)
def _crop_numbers(seed: int, epoch: int, count: int) -> NDArray[np.float64]:
    """Two numbers in [0, 1) for every motion in an epoch, ``(2, count)``."""
    return np.random.default_rng([_CROP, seed, epoch]).random((2, count))


class Windows:
    """Every window of ``window_frames`` frames over many motions is a place; the same in every epoch."""

    def __init__(self, lengths: Sequence[int], window_frames: int) -> None:
        """Number the windows.

        Raises:
            InputError: no motion is long enough for one.
        """
        self.window_frames = window_frames
        windows = np.maximum(np.asarray(lengths, np.int64) - window_frames + 1, 0)
        self.firsts: Indices = np.concatenate([[0], np.cumsum(windows)])
        self.skipped = int(np.count_nonzero(windows == 0))
        """Motions shorter than a window."""
        if len(self) == 0:
            raise InputError(
                f"no training motion has {window_frames} frames; set training.window_frames lower"
            )

    def __len__(self) -> int:
        return int(self.firsts[-1])

    def locate(self, draw: Draw) -> Pieces:
        """Which motions, and where in them, the windows of these numbers are."""
        motions = np.searchsorted(self.firsts, draw.places, side="right") - 1
        starts = draw.places - self.firsts[motions]
        return Pieces(motions, starts, np.full_like(draw.places, self.window_frames))
