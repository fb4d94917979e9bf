"""The batches that a part learns from and is validated on. Training batch i is a pure function of the seed and i.

Training code gets ``train`` and ``val`` only. The one door to ``test`` from here is the explicit
``selection = "official-test"`` protocol; measuring on ``test`` is :mod:`trainer.eval`'s business.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Protocol

import numpy as np
import torch

from hero_core.errors import ConfigError, InputError
from hero_core.models.base import Batch
from hero_core.models.ranks import ALONE, Ranks
from hero_core.motion.format import FRAMES_PER_TOKEN, MAX_FRAMES
from hero_core.training_set import Samples, TrainingSet
from trainer.config import TrainConfig
from trainer.data.ahead import read_ahead
from trainer.data.blocks import StreamedOrder
from trainer.data.codes import Codes
from trainer.data.draws import Crops, Indices, Order, Pieces, Places, Windows, whole_motions
from trainer.data.sources import Contents, Source, Streaming, most_tokens, open_source, too_large

CodesOf = Callable[[], Codes]
"""Makes or opens the codes, when they are first needed."""

CPU = torch.device("cpu")

_MOTIONS = Contents(motions=True, videos=False)


class Batches(Protocol):
    """What the loop reads from.

    Attributes:
        order: which samples make up which batch.
        counts: what was found to learn from, and what was left out.
        longest_frames: of all motions.
        reading: how batches are read, for people.
    """

    counts: dict[str, int]
    longest_frames: int

    @property
    def order(self) -> Order: ...

    @property
    def reading(self) -> str: ...

    def train(self, start_step: int) -> Iterator[Batch]:
        """Training batches after the first ``start_step`` ones, without end."""
        ...

    def validation(self) -> Iterator[tuple[int, Batch]]:
        """Every validation motion once, whole, and how much each batch counts."""
        ...


def batches_of(
    name: str,
    trained_on: str,
    data: TrainingSet,
    config: TrainConfig,
    device: torch.device = CPU,
    codes: CodesOf | None = None,
    streamed: bool | None = None,
    ranks: Ranks = ALONE,
) -> Batches:
    """The batches of the part called ``name``; no shard is opened yet.

    Args:
        name: of the part.
        trained_on: what its class says.
        data: to learn from.
        config: every setting.
        device: where the batches are to be.
        codes: what stands for the motions, of a part that learns from them.
        streamed: whether the run that is gone on with streams, which ``auto`` follows; None for a new one.
        ranks: the processes that share the training batches; all read the same ones.

    Raises:
        InputError: there is nothing to learn from or to validate on.
        ConfigError: the ranks cannot share a batch evenly.
    """
    if trained_on == "windows":
        return WindowBatches(name, data, config, device, streamed, ranks)
    if trained_on == "motions":
        return CropBatches(name, data, config, device, None, streamed, ranks, videos=False)
    return CropBatches(name, data, config, device, codes, streamed, ranks)


class WindowBatches:
    """Windows ``(b, window_frames, 263)`` of the unique motions; validated on whole motions, weighted by frames."""

    def __init__(
        self,
        name: str,
        data: TrainingSet,
        config: TrainConfig,
        device: torch.device = CPU,
        streamed: bool | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        training = config.section(name).training
        self._motions = data.train(config.selection).unique_motions()
        self._windows = Windows(_lengths(self._motions).tolist(), training.window_frames)
        self._validation = data.validation(config.selection).unique_motions().long_enough()
        self._config, self._device = config, device
        self._streamed, self._ranks = streamed, ranks
        _require(
            self._validation, f"{data.folder}: no validation motion of {FRAMES_PER_TOKEN} frames or more"
        )
        self._batch_size = training.batch_size
        _require_even_shares(name, self._batch_size, len(self._windows), ranks)
        self.longest_frames = _longest(self._motions, self._validation)
        self.counts = {
            "training_motions": len(self._motions),
            "training_motions_skipped_shorter_than_window": self._windows.skipped,
            "training_windows": len(self._windows),
            "validation_motions": len(self._validation),
        }

    @cached_property
    def order(self) -> Order:
        """Which windows make up which batch."""
        if _streams(self._motions, _MOTIONS, self._device, self._config, self._streamed, self._ranks):
            return _streamed_order(self._windows, self._motions, self._config, self._batch_size)
        return Order(self._config.seed, len(self._windows), self._batch_size)

    @cached_property
    def _source(self) -> Source:
        return _source(self._motions, _MOTIONS, self._device, self._config, self.order)

    @cached_property
    def _validation_source(self) -> Source:
        return open_source(self._validation, _MOTIONS, self._device, self._config.reading)

    @property
    def reading(self) -> str:
        """How batches are read, for people."""
        return self._source.description

    def train(self, start_step: int) -> Iterator[Batch]:
        """Windows, without end."""
        return _stream(
            self._source, self._windows, self.order, start_step, self._windows.window_frames, self._ranks
        )

    def validation(self) -> Iterator[tuple[int, Batch]]:
        """Motions of one length at a time, so that none is padded."""
        lengths = _lengths(self._validation)
        frames = whole_motions(np.arange(len(lengths)), lengths).frames
        for length in np.unique(frames).tolist():
            for motions in _groups(np.flatnonzero(frames == length), self._batch_size):
                pieces = whole_motions(motions, lengths[motions])
                yield length * len(motions), self._validation_source.batch(pieces, length)


class CropBatches:
    """Motions, with their videos or each once without, cropped anew every epoch; validated on whole motions."""

    def __init__(
        self,
        name: str,
        data: TrainingSet,
        config: TrainConfig,
        device: torch.device = CPU,
        codes: CodesOf | None = None,
        streamed: bool | None = None,
        ranks: Ranks = ALONE,
        videos: bool = True,
    ) -> None:
        both = data.train(config.selection), data.validation(config.selection)
        everything = [each.with_video() if videos else each.unique_motions() for each in both]
        self._train, self._validation = (samples.long_enough() for samples in everything)
        needed = "videos to {} {} with; it is trained on pairs of a video and a motion"
        needed = needed if videos else f"motions of {FRAMES_PER_TOKEN} frames or more to {{}} {{}} with"
        for samples, what in ((self._train, "train"), (self._validation, "validate")):
            _require(samples, f"{data.folder}: no {needed.format(what, name)}")
        training = config.section(name).training
        self._crops = Crops(_lengths(self._train).tolist(), config.seed)
        self._config, self._device, self._codes_of = config, device, codes
        self._streamed, self._ranks, self._videos = streamed, ranks, videos
        self._batch_size = training.batch_size
        _require_even_shares(name, self._batch_size, len(self._crops), ranks)
        self.longest_frames = _longest(self._train, self._validation)
        what = "pairs" if videos else "motions"
        self.counts = {
            f"training_{what}": len(self._train),
            f"training_{what}_skipped_shorter_than_token": len(everything[0]) - len(self._train),
            f"validation_{what}": len(self._validation),
            f"validation_{what}_skipped_shorter_than_token": len(everything[1]) - len(self._validation),
        }

    @cached_property
    def order(self) -> Order:
        """Which pairs or motions make up which batch."""
        contents = Contents(
            motions=self._codes_of is None, videos=self._videos
        )  # of the shards; codes stay on disk
        if _streams(self._train, contents, self._device, self._config, self._streamed, self._ranks):
            return _streamed_order(self._crops, self._train, self._config, self._batch_size)
        return Order(self._config.seed, len(self._crops), self._batch_size)

    @cached_property
    def _contents(self) -> Contents:
        codes = self._codes_of() if self._codes_of else None
        return Contents(motions=codes is None, videos=self._videos, codes=codes)

    @cached_property
    def _source(self) -> Source:
        return _source(self._train, self._contents, self._device, self._config, self.order)

    @cached_property
    def _validation_source(self) -> Source:
        return open_source(self._validation, self._contents, self._device, self._config.reading)

    @property
    def reading(self) -> str:
        """How batches are read, for people."""
        return self._source.description

    def train(self, start_step: int) -> Iterator[Batch]:
        """Crops, without end."""
        return _stream(self._source, self._crops, self.order, start_step, self._padded_frames, self._ranks)

    def validation(self) -> Iterator[tuple[int, Batch]]:
        """Every pair or motion once, in order, whole."""
        lengths = _lengths(self._validation)
        for motions in _groups(np.arange(len(lengths)), self._batch_size):
            pieces = whole_motions(motions, lengths[motions])
            yield len(motions), self._validation_source.batch(pieces, self._padded_frames(pieces))

    def _padded_frames(self, pieces: Pieces) -> int:
        """To what a batch is padded: motions always to one length, which the evaluator's embeddings depend on."""
        if self._contents.motions:
            return MAX_FRAMES
        return int(pieces.frames.max()) if self._device.type == "cpu" else self.longest_frames


def _streams(
    samples: Samples,
    contents: Contents,
    device: torch.device,
    config: TrainConfig,
    streamed: bool | None,
    ranks: Ranks,
) -> bool:
    """Whether training samples are read shard after shard; of several ranks, all do if one has to."""
    if config.reading != "auto":
        return config.reading == "streaming"
    return ranks.any(too_large(samples, contents, device)) if streamed is None else streamed


def _streamed_order(places: Places, samples: Samples, config: TrainConfig, batch_size: int) -> StreamedOrder:
    shards: dict[str, list[int]] = {}
    for motion, row in enumerate(samples.rows):
        shards.setdefault(row.shard, []).append(motion)
    motions = [np.array(each, np.int64) for each in shards.values()]
    buffer = min(config.shuffle_buffer, len(samples))
    return StreamedOrder(config.seed, len(places), batch_size, places.firsts, motions, buffer)


def _source(
    samples: Samples, contents: Contents, device: torch.device, config: TrainConfig, order: Order
) -> Source:
    if isinstance(order, StreamedOrder):
        return Streaming(samples, contents, device, order)
    return open_source(samples, contents, device, config.reading)


def _stream(
    source: Source,
    places: Places,
    order: Order,
    start_step: int,
    padded_frames: int | Callable[[Pieces], int],
    ranks: Ranks,
) -> Iterator[Batch]:
    source = source.from_step(start_step)

    def batches() -> Iterator[Batch]:
        for draw in order.draws(start_step):
            pieces = places.locate(draw)
            size = padded_frames if isinstance(padded_frames, int) else padded_frames(pieces)
            batch = source.batch(pieces, size)
            most = most_tokens(pieces, batch.lengths.device, ranks.world)
            yield replace(batch, ranks=ranks, most_tokens=most)

    return read_ahead(batches()) if source.waits else batches()


def _require_even_shares(name: str, batch_size: int, samples: int, ranks: Ranks) -> None:
    size = min(batch_size, samples)
    if size % ranks.world:
        raise ConfigError(
            f"{ranks.world} processes cannot share batches of {size} evenly; set {name}.training.batch_size to a "
            f"multiple of {ranks.world}, {samples} at most"
        )


def _groups(rows: Indices, size: int) -> Iterator[Indices]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _lengths(samples: Samples) -> Indices:
    return np.array([row.pair.length for row in samples.rows], np.int64)


def _longest(*samples: Samples) -> int:
    return max(row.pair.length for each in samples for row in each.rows)


def _require(samples: Samples, complaint: str) -> None:
    if not len(samples):
        raise InputError(complaint)
