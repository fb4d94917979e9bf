"""The batches that a part learns from and is validated on. Training batch i is a pure function of the seed and i.

Training code gets ``train`` and ``val`` only. The one door to ``test`` from here is the explicit
``selection = "official-test"`` protocol; measuring on ``test`` is :mod:`trainer.eval`'s business.
"""

import signal
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from hero_core.errors import InputError
from hero_core.models.base import Batch, VideoFeatures
from hero_core.motion.format import FRAMES_PER_TOKEN, MAX_FRAMES, MOTION_DIM
from hero_core.training_set import Sample, Samples, TrainingSet
from trainer.config import TrainConfig
from trainer.draws import Crops, Draw, Order, Places, Span, Windows, whole


class Batches(Protocol):
    """What the loop reads from.

    Attributes:
        order: which samples make up which batch.
        counts: what was found to learn from, and what was left out.
        longest_frames: of all motions.
    """

    order: Order
    counts: dict[str, int]
    longest_frames: int

    def train(self, start_step: int) -> Iterator[Batch]:
        """Training batches after the first ``start_step`` ones, without end."""
        ...

    def validation(self) -> Iterator[tuple[int, Batch]]:
        """Every validation motion once, whole, and how much each batch counts."""
        ...


def batches_of(name: str, trained_on: str, data: TrainingSet, config: TrainConfig) -> Batches:
    """The batches of the part called ``name``; no shard is opened yet.

    Raises:
        InputError: there is nothing to learn from or to validate on.
    """
    return (WindowBatches if trained_on == "windows" else PairBatches)(name, data, config)


class WindowBatches:
    """Windows ``(b, window_frames, 263)`` of the unique motions; validated on whole motions, weighted by frames."""

    def __init__(self, name: str, data: TrainingSet, config: TrainConfig) -> None:
        training = config.section(name).training
        self._motions = data.train(config.selection).unique_motions()
        self._windows = Windows([row.pair.length for row in self._motions.rows], training.window_frames)
        self._validation = data.validation(config.selection).unique_motions().long_enough()
        self._workers = config.workers
        _require(
            self._validation, f"{data.folder}: no validation motion of {FRAMES_PER_TOKEN} frames or more"
        )
        self.order = Order(config.seed, len(self._windows), training.batch_size)
        self.longest_frames = _longest(self._motions, self._validation)
        self.counts = {
            "training_motions": len(self._motions),
            "training_motions_skipped_shorter_than_window": self._windows.skipped,
            "training_windows": len(self._windows),
            "validation_motions": len(self._validation),
        }

    def train(self, start_step: int) -> Iterator[Batch]:
        """Windows, without end."""
        merge = partial(collate, padded_frames=self._windows.window_frames, videos=False)
        return _stream(self._motions, self._windows, self.order.draws(start_step), merge, self._workers)

    def validation(self) -> Iterator[tuple[int, Batch]]:
        """Each motion by itself, at its own length."""
        for sample in self._validation:
            span = whole(len(sample.motion))
            yield span.frames, collate([(sample, span)], span.frames, videos=False)


class PairBatches:
    """Motions with their videos, cropped anew every epoch; validated on whole motions.

    All are padded to one length, so that the tokens of a motion depend on it alone.
    """

    def __init__(self, name: str, data: TrainingSet, config: TrainConfig) -> None:
        everything = [
            data.train(config.selection).with_video(),
            data.validation(config.selection).with_video(),
        ]
        self._train, self._validation = (samples.long_enough() for samples in everything)
        for samples, what in ((self._train, "train"), (self._validation, "validate")):
            _require(
                samples,
                f"{data.folder}: no videos to {what} {name} with; it is trained on pairs of a video and a motion",
            )
        training = config.section(name).training
        self._crops = Crops([row.pair.length for row in self._train.rows], config.seed)
        self._workers = config.workers
        self.order = Order(config.seed, len(self._train), training.batch_size)
        self.longest_frames = _longest(self._train, self._validation)
        self.counts = {
            "training_pairs": len(self._train),
            "training_pairs_skipped_shorter_than_token": len(everything[0]) - len(self._train),
            "validation_pairs": len(self._validation),
            "validation_pairs_skipped_shorter_than_token": len(everything[1]) - len(self._validation),
        }

    def train(self, start_step: int) -> Iterator[Batch]:
        """Crops, without end."""
        merge = partial(collate, padded_frames=MAX_FRAMES, videos=True)
        return _stream(self._train, self._crops, self.order.draws(start_step), merge, self._workers)

    def validation(self) -> Iterator[tuple[int, Batch]]:
        """Every pair once, in order, with its whole motion."""
        for start in range(0, len(self._validation), self.order.batch_size):
            rows = range(start, min(start + self.order.batch_size, len(self._validation)))
            samples = [self._validation[row] for row in rows]
            items = [(sample, whole(len(sample.motion))) for sample in samples]
            yield len(items), collate(items, MAX_FRAMES, videos=True)


def collate(items: Sequence[tuple[Sample, Span]], padded_frames: int, videos: bool) -> Batch:
    """Pad the chosen spans of the motions to ``padded_frames`` and stack everything."""
    motion = np.zeros((len(items), padded_frames, MOTION_DIM), np.float32)  # (b, n, 263)
    for row, (sample, span) in enumerate(items):
        motion[row, : span.frames] = sample.motion[span.slice]
    condition = (
        VideoFeatures.of([sample.video for sample, _ in items], [span.start for _, span in items])
        if videos
        else None
    )
    return Batch(
        keys=tuple(sample.pair.key for sample, _ in items),
        motion=torch.from_numpy(motion),
        lengths=torch.tensor([span.frames for _, span in items]),  # (b,)
        starts=tuple(span.start for _, span in items),
        condition=condition,
    )


class _Located(Dataset[tuple[Sample, Span]]):
    def __init__(self, motions: Samples, places: Places) -> None:
        self._motions = motions
        self._places = places

    def __getitem__(self, draw: Draw) -> tuple[Sample, Span]:
        motion, span = self._places.locate(draw)
        return self._motions[motion], span


def _stream(
    motions: Samples, places: Places, draws: Iterator[list[Draw]], merge: Any, workers: int
) -> Iterator[Batch]:
    return iter(
        DataLoader(
            _Located(motions, places),
            batch_sampler=draws,  # the keys of our data sets are draws, not integers
            collate_fn=merge,
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,  # forked HDF5 handles would clash
            worker_init_fn=_leave_interrupts_to_the_trainer,
            generator=torch.Generator(),  # the loader's own seeding must not touch the global generator
        )
    )


def _leave_interrupts_to_the_trainer(worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _longest(*samples: Samples) -> int:
    return max(row.pair.length for each in samples for row in each.rows)


def _require(samples: Samples, complaint: str) -> None:
    if not len(samples):
        raise InputError(complaint)
