"""What the frozen tokenizer makes of the motions: every crop that can be taken from one, computed once and kept.

    SET/codes/NAME-FINGERPRINT.npy    the rows of every crop: one for each token, or one in all
    SET/codes/NAME-FINGERPRINT.json   what it is of, and its SHA-256

Where the training set cannot be written to, they lie in the run folder. A crop gets the tokens that it has padded to
200 frames, so that they depend on it alone.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hero_core.fingerprint import sha256_of_tensors
from hero_core.models.base import Encoder
from hero_core.motion.format import MAX_FRAMES, MOTION_DIM, whole_tokens
from hero_core.progress import Progress, silent
from hero_core.storage import atomic_path, read_json, sha256_of_file, sha256_of_json, write_json
from hero_core.training_set import Samples, Selection, TrainingSet
from trainer.data.draws import CropLengths, Indices, Pieces

FOLDER = "codes"
CROPS_AT_ONCE = 128
_SCHEMA = "hero-codes/1"


@dataclass(frozen=True)
class CodesPlace:
    """Where the codes of a training set by one tokenizer are, or are to be.

    Attributes:
        path: of the ``.npy`` file.
        facts: what they are of; :attr:`path` names it.
    """

    path: Path
    facts: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        name: str,
        encoder: Any,
        data: TrainingSet,
        selection: Selection,
        run: Path,
        device: torch.device,
    ) -> "CodesPlace":
        """For the part called ``name`` with these weights; another kind of device rounds otherwise."""
        facts = {
            "schema": _SCHEMA,
            "data": data.digest,
            "selection": selection,
            "encoder": sha256_of_tensors(encoder.state_dict()),
            "device": device.type,
        }
        folder = data.folder if os.access(data.folder, os.W_OK) else run
        return cls(folder / FOLDER / f"{name}-{sha256_of_json(facts)[:16]}.npy", facts)

    @property
    def _description(self) -> Path:
        return self.path.with_suffix(".json")

    def valid(self) -> bool:
        """Whether they are there, whole, and what they should be."""
        if not (self.path.is_file() and self._description.is_file()):
            return False
        expected = {**self.facts, "sha256": sha256_of_file(self.path)}
        return bool(read_json(self._description) == expected)

    def describe(self) -> None:
        """Say what the file holds."""
        write_json(self._description, {**self.facts, "sha256": sha256_of_file(self.path)})


class Codes:
    """The codes of all motions, in a memory map.

    Attributes:
        values: ``(rows, q)``, those of one crop behind those of another.
    """

    def __init__(self, values: NDArray[Any], motions: Samples, frames_per_code: int | None) -> None:
        """Take the file's content, the motions that it was made of, and what a row stands for."""
        self.values = values
        self._layout = _Layout.of(motions, frames_per_code)
        self._number = {row.pair.motion_key: number for number, row in enumerate(motions.rows)}

    def numbers(self, samples: Samples) -> Indices:
        """Which of the motions that were encoded each of ``samples`` has, for :meth:`first_rows`."""
        return np.array([self._number[row.pair.motion_key] for row in samples.rows], np.int64)

    def first_rows(self, pieces: Pieces) -> Indices:
        """Where in :attr:`values` the codes of crops begin, ``(b,)``; ``pieces.motions`` are such numbers."""
        return self._layout.first_rows(pieces)

    def rows_in(self, frames: int) -> int:
        """How many rows of :attr:`values` a crop of so many frames has."""
        return int(_rows_in(frames, self._layout.frames_per_code))


def codes_of(
    place: CodesPlace, pairs: Samples, encoder: Encoder, device: torch.device, report: Progress = silent
) -> Codes:
    """The codes at ``place``, which are made first if they are not there or are damaged.

    Args:
        place: see there.
        pairs: all that training reads; their motions are encoded.
        encoder: what makes them, in evaluation mode and on ``device``.
        device: where to compute.
        report: told how many rows are done.
    """
    motions = pairs.with_video().unique_motions().long_enough()
    if not place.valid():
        place.path.parent.mkdir(parents=True, exist_ok=True)
        _write(place.path, motions, encoder, device, report)
        place.describe()
    return Codes(np.load(place.path, mmap_mode="r", allow_pickle=False), motions, encoder.frames_per_code)


@dataclass(frozen=True)
class _Layout:
    """Crops by motion, of a motion first the usual length, then the shorter one, each by start."""

    lengths: Indices
    firsts: Indices  # row of each motion
    rows: int
    frames_per_code: int | None

    @classmethod
    def of(cls, motions: Samples, frames_per_code: int | None) -> "_Layout":
        lengths = np.array([row.pair.length for row in motions.rows], np.int64)
        usual, shorter = CropLengths.of(lengths)
        rows = (lengths - usual + 1) * _rows_in(usual, frames_per_code)
        rows += np.where(shorter < usual, (lengths - shorter + 1) * _rows_in(shorter, frames_per_code), 0)
        ends = np.cumsum(rows)
        return cls(lengths, np.concatenate([[0], ends[:-1]]), int(ends[-1]), frames_per_code)

    def first_rows(self, pieces: Pieces) -> Indices:
        lengths = self.lengths[pieces.motions]
        usual = CropLengths.of(lengths).usual
        longer = (lengths - usual + 1) * _rows_in(usual, self.frames_per_code)
        before = np.where(pieces.frames < usual, longer, 0)
        within = before + pieces.starts * _rows_in(pieces.frames, self.frames_per_code)
        return np.asarray(self.firsts[pieces.motions] + within)

    def crops(self, motion: int) -> Iterator[slice]:
        """All of one motion, in order."""
        usual, shorter = (int(frames) for frames in CropLengths.of(self.lengths[motion]))
        for frames in dict.fromkeys((usual, shorter)):
            yield from (slice(start, start + frames) for start in range(self.lengths[motion] - frames + 1))


def _rows_in(frames: Indices | int, frames_per_code: int | None) -> Indices:
    """How many rows of codes crops of so many frames have."""
    frames = np.asarray(frames, np.int64)
    return np.ones_like(frames) if frames_per_code is None else frames // frames_per_code


def _write(path: Path, motions: Samples, encoder: Encoder, device: torch.device, report: Progress) -> None:
    layout = _Layout.of(motions, encoder.frames_per_code)
    with atomic_path(path) as temporary:
        batches = _encoded(layout, motions, encoder, device)
        first = next(batches)
        header = np.lib.format.header_data_from_array_1_0(first) | {"shape": (layout.rows, *first.shape[1:])}
        done = 0
        with temporary.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for batch in chain([first], batches):
                file.write(batch.tobytes())
                done += len(batch)
                report(done, layout.rows, "codes")


def _encoded(
    layout: _Layout, motions: Samples, encoder: Encoder, device: torch.device
) -> Iterator[NDArray[Any]]:
    """The codes of some crops after another, ``(rows, q)``; of the motions, one at a time is in memory."""
    crops = (
        sample.motion[crop]
        for motion, sample in enumerate(motions.in_passing(range(len(motions))))
        for crop in layout.crops(motion)
    )
    while some := list(islice(crops, CROPS_AT_ONCE)):
        seen = whole_tokens(max(map(len, some)) + encoder.reach_frames)
        frames = np.zeros((len(some), min(seen, MAX_FRAMES), MOTION_DIM), np.float32)  # (crops, n, 263)
        for row, crop in enumerate(some):
            frames[row, : len(crop)] = crop
        lengths = torch.tensor([len(crop) for crop in some], device=device)
        encoded = encoder.encode(torch.from_numpy(frames).to(device), lengths)  # (crops, m, q)
        values = encoded.cpu().numpy()
        values = values.astype(np.int16 if np.issubdtype(values.dtype, np.integer) else np.float32)
        rows = [int(_rows_in(len(crop), layout.frames_per_code)) for crop in some]
        yield np.concatenate([each[:count] for each, count in zip(values, rows, strict=True)])
