"""Endless streams of training batches. Batch ``i`` is a pure function of the seed and ``i``."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hero_core.batch import Batch
from trainer.data import PairTable, Sample, collate
from trainer.draws import Span, WindowMap, crop, epoch_order, whole_tokens

ItemT = TypeVar("ItemT")
BatchT = TypeVar("BatchT")
Draw = tuple[int, int]
"""(epoch, index of a sample)."""


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


class PairBatches:
    """Batches of pairs: cropped anew every epoch for training, whole for validation."""

    def __init__(
        self, table: PairTable, batch_size: int, padded_frames: int, seed: int, workers: int
    ) -> None:
        self._table = table.long_enough()
        self.skipped = len(table) - len(self._table)
        """Pairs whose motion is shorter than one token."""
        self._padded_frames = padded_frames
        self._workers = workers
        self.order = Order(seed, len(self._table), batch_size)

    def train(self, start_step: int) -> Iterator[Batch]:
        """Training batches after the first ``start_step`` ones, without end."""
        dataset = _CroppedPairs(self._table, self.order.seed)
        merge = partial(_merge_pairs, padded_frames=self._padded_frames)
        return _stream(dataset, self.order.draws(start_step), merge, self._workers)

    def whole(self) -> Iterator[Batch]:
        """Every pair once, in order, with its whole motion."""
        for start in range(0, len(self._table), self.order.batch_size):
            rows = range(start, min(start + self.order.batch_size, len(self._table)))
            samples = [self._table[row] for row in rows]
            yield collate(samples, [whole_tokens(len(s.motion)) for s in samples], self._padded_frames)


class WindowBatches:
    """Batches of fixed windows over the unique motions, for the tokenizer."""

    def __init__(
        self, table: PairTable, batch_size: int, window_frames: int, seed: int, workers: int
    ) -> None:
        motions = table.unique_motions()
        self._windows = _Windows(motions, WindowMap([row.frames for row in motions.rows], window_frames))
        self._workers = workers
        self.motions = len(motions)
        self.skipped = self._windows.map.skipped
        """Motions shorter than a window."""
        self.order = Order(seed, len(self._windows.map), batch_size)

    def train(self, start_step: int) -> Iterator[Tensor]:
        """Windows ``(b, window_frames, 263)`` after the first ``start_step`` batches, without end."""
        return _stream(self._windows, self.order.draws(start_step), _merge_windows, self._workers)


class _CroppedPairs(Dataset[tuple[Sample, Span]]):
    def __init__(self, table: PairTable, seed: int) -> None:
        self._table = table
        self._seed = seed

    def __getitem__(self, draw: Draw) -> tuple[Sample, Span]:
        epoch, index = draw
        sample = self._table[index]
        return sample, crop(self._seed, epoch, index, len(sample.motion))


class _Windows(Dataset[NDArray[np.float32]]):
    def __init__(self, motions: PairTable, windows: WindowMap) -> None:
        self._motions = motions
        self.map = windows

    def __getitem__(self, draw: Draw) -> NDArray[np.float32]:
        motion, span = self.map.locate(draw[1])
        return self._motions[motion].motion[span.slice]


def _stream(
    dataset: Dataset[ItemT],
    draws: Iterator[list[Draw]],
    merge: Callable[[list[ItemT]], BatchT],
    workers: int,
) -> Iterator[BatchT]:
    return iter(
        DataLoader(
            dataset,
            batch_sampler=draws,  # the keys of our data sets are draws, not integers
            collate_fn=merge,
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,  # forked HDF5 handles would clash
            worker_init_fn=_leave_interrupts_to_the_trainer,
            generator=torch.Generator(),  # the loader's own seeding must not touch the global generator
        )
    )


def _merge_pairs(items: list[tuple[Sample, Span]], padded_frames: int) -> Batch:
    samples, spans = zip(*items, strict=True)
    return collate(samples, spans, padded_frames)


def _merge_windows(windows: list[NDArray[np.float32]]) -> Tensor:
    return torch.from_numpy(np.stack(windows))  # (b, window_frames, 263)


def _leave_interrupts_to_the_trainer(worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
