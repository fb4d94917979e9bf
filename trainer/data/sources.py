"""Where pieces of motions, their videos and their codes come from: memory on the device, or the shards themselves."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, tee
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hero_core.models.base import Batch, VideoFeatures
from hero_core.motion.format import FPS, FRAMES_PER_TOKEN, MOTION_DIM
from hero_core.training_set import Sample, Samples
from trainer.config import Reading
from trainer.data.blocks import Block, StreamedOrder
from trainer.data.codes import Codes
from trainer.data.draws import Indices, Pieces

SHARE_OF_MEMORY = 1 / 4
"""What is resident may take so much of the memory that is free."""

TOKENS_AT_ONCE = 256
"""On a GPU the tokens of a batch are rounded up to a multiple of this, so that few different shapes come up."""


@dataclass(frozen=True)
class Contents:
    """What batches are made of: the motions themselves, codes that stand for them, videos."""

    motions: bool
    videos: bool
    codes: Codes | None = None


class Source(Protocol):
    """Makes batches of pieces of motions.

    Attributes:
        description: how it reads, for people.
        waits: whether it waits for files, so that reading ahead pays.
    """

    description: str
    waits: bool

    def from_step(self, step: int) -> "Source":
        """The same, for the batches of training after the first ``step`` ones, one after another."""
        ...

    def batch(self, pieces: Pieces, padded_frames: int) -> Batch:
        """The pieces, zero up to ``padded_frames``, with what belongs to them; on the source's device."""
        ...


def open_source(samples: Samples, contents: Contents, device: torch.device, reading: Reading) -> Source:
    """The source of pairs that come in any order: resident or mapped, or what there is the memory for."""
    size = _bytes(samples, contents)
    if reading not in ("resident", "mapped"):
        reading = "resident" if size <= SHARE_OF_MEMORY * _free_memory(device) else "mapped"
    if reading == "resident":
        return Resident(samples, contents, device, size)
    return Mapped(samples, contents, device)


def too_large(samples: Samples, contents: Contents, device: torch.device) -> bool:
    """Whether they do not fit in memory in any way, so that random access would wait for the disk, or the network."""
    size = _bytes(samples, contents)
    if size <= SHARE_OF_MEMORY * _free_memory(device):
        return False
    return samples.remote or size > _free_memory(torch.device("cpu"))


class Mapped:
    """Reads each piece from its shard when it comes up; the operating system keeps what it has room for."""

    def __init__(self, samples: Samples, contents: Contents, device: torch.device) -> None:
        self._samples, self._contents, self._device = samples, contents, device
        self._numbers = None if contents.codes is None else contents.codes.numbers(samples)
        self.description, self.waits = "memory-mapped", True

    def from_step(self, step: int) -> Source:
        """See :class:`Source`."""
        return self

    def batch(self, pieces: Pieces, padded_frames: int) -> Batch:
        """See :class:`Source`."""
        samples = self._take(pieces.motions.tolist())
        frames = condition = encoded = None
        if self._contents.motions:
            padded = np.zeros((len(samples), padded_frames, MOTION_DIM), np.float32)  # (b, n, 263)
            for row, (sample, start, length) in enumerate(
                zip(samples, pieces.starts, pieces.frames, strict=True)
            ):
                padded[row, :length] = sample.motion[start : start + length]
            frames = torch.from_numpy(padded)
        if self._contents.videos:
            condition = VideoFeatures.of([sample.video for sample in samples], pieces.starts.tolist())
        if self._contents.codes is not None and self._numbers is not None:
            firsts = self._contents.codes.first_rows(pieces._replace(motions=self._numbers[pieces.motions]))
            values = self._contents.codes.values
            rows = firsts[:, None] + np.arange(self._contents.codes.rows_in(padded_frames))  # (b, m)
            encoded = _widened(torch.from_numpy(values[np.minimum(rows, len(values) - 1)]))  # (b, m, q)
        return Batch(
            keys=tuple(sample.pair.key for sample in samples),
            lengths=torch.from_numpy(pieces.frames),
            frames=frames,
            condition=condition,
            encoded=encoded,
            most_tokens=most_tokens(pieces, self._device),
        ).to(self._device)

    def _take(self, motions: Sequence[int]) -> list[Sample]:
        return [self._samples[motion] for motion in motions]


class Streaming(Mapped):
    """Reads shards from front to back, as an order tells, and keeps of them what is still to be drawn."""

    def __init__(
        self, samples: Samples, contents: Contents, device: torch.device, order: StreamedOrder, step: int = 0
    ) -> None:
        """For the batches of ``order`` after the first ``step`` ones, each once; nothing is read yet."""
        super().__init__(samples, contents, device)
        self.description = f"streaming, shuffled among {order.buffer}"
        self._order = order
        self._coming = self._read(chain.from_iterable(map(_reads, order.blocks(step))))
        self._kept: dict[int, Sample] = {}
        self._times: dict[int, int] = {}  # that each is still to be drawn
        self._undrawn = 0

    def from_step(self, step: int) -> Source:
        """See :class:`Source`."""
        return Streaming(self._samples, self._contents, self._device, self._order, step)

    def _take(self, motions: Sequence[int]) -> list[Sample]:
        while self._undrawn < self._order.places_in_block:  # read on as fast as samples are drawn
            self._keep_one()
        return [self._draw(motion) for motion in motions]

    def _draw(self, motion: int) -> Sample:
        while motion not in self._kept:
            self._keep_one()
        sample = self._kept[motion]
        self._undrawn -= 1
        self._times[motion] -= 1
        if not self._times[motion]:
            del self._kept[motion], self._times[motion]
        return sample

    def _keep_one(self) -> None:
        motion, times, sample = next(self._coming)
        self._kept[motion] = sample
        self._times[motion] = self._times.get(motion, 0) + times
        self._undrawn += times

    def _read(self, reads: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int, Sample]]:
        reads, same = tee(reads)
        samples = self._samples.in_passing(motion for motion, _ in same)
        for (motion, times), sample in zip(reads, samples, strict=True):
            yield motion, times, self._needed(sample)

    def _needed(self, sample: Sample) -> Sample:
        """Without what batches are not made of."""
        motion = sample.motion if self._contents.motions else sample.motion[:0].copy()
        return Sample(sample.pair, motion, sample.features if self._contents.videos else None)


def _reads(block: Block) -> Iterator[tuple[int, int]]:
    return zip(block.motions.tolist(), block.times.tolist(), strict=True)


class Resident:
    """Everything in flat tensors on the device: a batch is a few index operations."""

    def __init__(self, samples: Samples, contents: Contents, device: torch.device, size: int) -> None:
        """Read all; ``size`` in bytes, for the description."""
        self._contents, self._device = contents, device
        self._keys = [row.pair.key for row in samples.rows]
        self.description, self.waits = f"resident, {size / 1e6:.0f} MB", False
        if contents.motions:
            ends = np.cumsum([row.pair.length for row in samples.rows])
            self._firsts: Indices = np.concatenate([[0], ends[:-1]])
            flat = np.empty((int(ends[-1]), MOTION_DIM), np.float32)  # (frames of all, 263)
            every = samples.in_passing(range(len(samples)))
            for first, end, sample in zip(self._firsts, ends, every, strict=True):
                flat[first:end] = sample.motion
            self._motions = torch.from_numpy(flat).to(device)
        if contents.videos:
            self._clips, features = _clips(samples)
            self._videos = features.to(device)
        if contents.codes is not None:
            self._numbers = contents.codes.numbers(samples)
            self._codes = torch.from_numpy(np.array(contents.codes.values)).to(device)  # (tokens, q)

    def from_step(self, step: int) -> Source:
        """See :class:`Source`."""
        return self

    def batch(self, pieces: Pieces, padded_frames: int) -> Batch:
        """See :class:`Source`."""
        columns = [pieces.starts, pieces.frames]
        if self._contents.motions:
            columns.append(self._firsts[pieces.motions] + pieces.starts)
        if self._contents.codes is not None:
            numbered = pieces._replace(motions=self._numbers[pieces.motions])
            columns.append(self._contents.codes.first_rows(numbered))
        if self._contents.videos:
            columns.append(self._clips[pieces.motions])
        starts, lengths, *rest = _sent(torch.from_numpy(np.stack(columns)), self._device)
        frames = condition = encoded = None
        if self._contents.motions:
            frames = _runs(self._motions, rest.pop(0), padded_frames)  # (b, n, 263)
            past = torch.arange(padded_frames, device=self._device) >= lengths[:, None]  # (b, n)
            frames = frames.masked_fill(past[..., None], 0.0)
        if self._contents.codes is not None:
            encoded = _widened(_runs(self._codes, rest.pop(0), self._contents.codes.rows_in(padded_frames)))
        if self._contents.videos:
            chosen = VideoFeatures(*(each[rest[0]] for each in self._videos))
            condition = chosen._replace(times=(chosen.times - starts[:, None].double() / FPS).float())
        keys = tuple(self._keys[motion] for motion in pieces.motions.tolist())
        return Batch(keys, lengths, frames, condition, encoded, most_tokens(pieces, self._device))


def most_tokens(pieces: Pieces, device: torch.device, shares: int = 1) -> int | None:
    """:attr:`Batch.most_tokens` of a batch in so many shares: None on a CPU, which counts them itself."""
    if device.type == "cpu":
        return None
    tokens = int(pieces.frames.reshape(shares, -1).sum(axis=1).max()) // FRAMES_PER_TOKEN
    return -(-tokens // TOKENS_AT_ONCE) * TOKENS_AT_ONCE


def _runs(flat: Tensor, firsts: Tensor, size: int) -> Tensor:
    """From each of the rows ``(b,)`` of ``flat`` ``(rows, d)`` on, ``size`` rows: ``(b, size, d)``."""
    rows = firsts[:, None] + torch.arange(size, device=firsts.device)  # (b, size)
    return flat[rows.clamp(max=len(flat) - 1)]


def _sent(tensor: Tensor, device: torch.device) -> Tensor:
    """On the device; a GPU gets it when it comes to it, and nothing waits."""
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)


def _widened(codes: Tensor) -> Tensor:
    """Token ids as torch indexes with; latents as they are."""
    return codes if codes.is_floating_point() else codes.long()


def _clips(samples: Samples) -> tuple[Indices, VideoFeatures]:
    """Which clip each pair has, and the features of every clip once, their times in float64."""
    numbers: dict[str | None, int] = {}
    clips = np.array([numbers.setdefault(row.pair.clip_key, len(numbers)) for row in samples.rows])
    unique = samples.unique_clips()
    videos = [sample.video for sample in unique.in_passing(range(len(unique)))]
    features = VideoFeatures.of(videos)
    times = np.stack([video.timestamps_seconds for video in videos])
    return clips, features._replace(times=torch.from_numpy(times).double())


def _bytes(samples: Samples, contents: Contents) -> int:
    """What :class:`Resident` would take."""
    size = 0
    if contents.motions:
        size += sum(row.pair.length for row in samples.rows) * MOTION_DIM * 4
    if contents.videos:
        video = next(samples.in_passing([0])).video
        values: list[NDArray[Any]] = [video.frames, video.global_feature, video.timestamps_seconds]
        size += len({row.pair.clip_key for row in samples.rows}) * sum(each.size for each in values) * 4
    if contents.codes is not None:
        size += contents.codes.values.nbytes
    return size


def _free_memory(device: torch.device) -> int:
    """In bytes; of a computer's, also what the operating system has of files and would let go of."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    facts = Path("/proc/meminfo")
    lines = facts.read_text(encoding="ascii").splitlines() if facts.is_file() else []
    available = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    if available:
        return available[0]
    if not hasattr(os, "sysconf"):
        return 0  # not known, so that nothing becomes resident unless it is asked for
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
