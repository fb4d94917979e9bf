"""The folder that ``build-pairs`` made, read at random: nothing is loaded whole, files open on first use.

Training code gets ``train`` and ``val`` only. The one door to ``test`` from here is the explicit
``selection = "official-test"`` protocol; measuring on ``test`` is :mod:`trainer.eval`'s business.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hero_core.batch import Batch
from hero_core.errors import InputError, ManifestError, ShardError
from hero_core.files import read_json, sha256_of_file, sha256_of_json
from hero_core.manifest import PAIRS, read_table
from hero_core.models.features import VideoFeatures
from hero_core.motion.normaliser import Normaliser
from hero_core.records import MOTION_DIM, Pair
from hero_core.shards import ShardReader, open_reader
from trainer.draws import UNIT_FRAMES, Span

SCHEMA = "training-data/1"

DATA_KEY = "data_fingerprint"
"""Metadata of a checkpoint: :attr:`TrainingData.fingerprint` of what it was trained on."""

Selection = Literal["validation", "official-test"]
"""Which pairs choose the best checkpoint. The official release uses its test list; we carve ``val`` out of train."""


@dataclass(frozen=True)
class PairRow:
    """One row of the manifest: a pair, its motion's frames, and the shard that holds it."""

    pair: Pair
    frames: int
    shard: str


class Sample(NamedTuple):
    """One pair from a shard: ``frames (t, d)``, ``global_feature (d,)``, ``motion (n, 263)`` float32."""

    key: str
    frames: NDArray[np.float32]
    global_feature: NDArray[np.float32]
    motion: NDArray[np.float32]


SAMPLES_KEPT = 4096
"""Samples that a table keeps once read. Those of a tar are views of its memory map and cost next to nothing."""


class PairTable(Sequence[Sample]):
    """Rows of the manifest with random access to what they point at. Safe to send to loader processes."""

    def __init__(self, rows: Iterable[PairRow], readers: Mapping[str, ShardReader]) -> None:
        self.rows = tuple(rows)
        self._readers = readers
        self._kept: dict[int, Sample] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": {}}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Sample:  # type: ignore[override]
        """The pair at ``index``.

        Raises:
            ShardError: the shard does not hold what the manifest says.
        """
        sample = self._kept.get(index)
        if sample is None:
            sample = self._read(self.rows[index])
            if len(self._kept) < SAMPLES_KEPT:
                self._kept[index] = sample
        return sample

    def unique_motions(self) -> "PairTable":
        """The first pair of every motion, in the order of the manifest."""
        first: dict[str, PairRow] = {}
        for row in self.rows:
            first.setdefault(row.pair.motion_key, row)
        return PairTable(first.values(), self._readers)

    def long_enough(self) -> "PairTable":
        """The pairs whose motion holds at least one token."""
        return PairTable((row for row in self.rows if row.frames >= UNIT_FRAMES), self._readers)

    def _read(self, row: PairRow) -> Sample:
        arrays = self._readers[row.shard][row.pair.key].arrays
        missing = {"frames", "global", "motion"} - arrays.keys()
        if missing:
            raise ShardError(f"{row.shard}: record {row.pair.key} lacks {sorted(missing)}; {_REBUILD}")
        motion = arrays["motion"]
        if motion.shape != (row.frames, MOTION_DIM):
            raise ShardError(
                f"{row.shard}: motion of {row.pair.key} is {motion.shape}, the manifest says "
                f"({row.frames}, {MOTION_DIM}); {_REBUILD}"
            )
        return Sample(row.pair.key, _float32(arrays["frames"]), _float32(arrays["global"]), _float32(motion))


class TrainingData:
    """A training-data folder."""

    def __init__(self, folder: Path) -> None:
        """Read the small files; no shard is opened.

        Raises:
            InputError: no training data there.
            ManifestError: the data or its manifest is of another version.
        """
        self.folder = folder
        if not (folder / "dataset.json").is_file():
            raise InputError(
                f"{folder}: no training data here (dataset.json); make it with hero-pipeline build-pairs"
            )
        self.description = read_json(folder / "dataset.json")
        if self.description.get("schema") != SCHEMA:
            raise ManifestError(
                f"{folder / 'dataset.json'}: version {self.description.get('schema')!r}, this program reads "
                f"{SCHEMA!r}; make it again with hero-pipeline build-pairs"
            )
        self._rows = [_row(values) for values in read_table(folder / "pairs.parquet", PAIRS)]

    @property
    def fingerprint(self) -> str:
        """Which features and shards this is, as ``build-pairs`` says."""
        return str(self.description.get("fingerprint"))

    @cached_property
    def digest(self) -> str:
        """The fingerprint together with what is read beside the shards: manifest and statistics."""
        files = {
            name: sha256_of_file(self.folder / name) for name in ("pairs.parquet", "Mean.npy", "Std.npy")
        }
        return sha256_of_json({"fingerprint": self.fingerprint, "files": files})[:16]

    def train(self, selection: Selection = "validation") -> PairTable:
        """Pairs to learn from. Official-test selection has no validation split, so ``val`` is learnt from too."""
        return self._table("train") if selection == "validation" else self._table("train", "val")

    def validation(self, selection: Selection = "validation") -> PairTable:
        """Pairs that choose the best checkpoint."""
        return self._table("val") if selection == "validation" else self._table("test")

    @cached_property
    def longest_motion_frames(self) -> int:
        """Frames of the longest motion of any split, in whole tokens."""
        longest = max((row.frames for row in self._rows), default=0)
        return -(-longest // UNIT_FRAMES) * UNIT_FRAMES

    @cached_property
    def feature_dim(self) -> int:
        """Dimension of the video features."""
        dim: int = self._table("train")[0].frames.shape[1]
        return dim

    def normaliser(self) -> Normaliser:
        """Statistics of the training motions."""
        return Normaliser.load(self.folder)

    def _table(self, *splits: str) -> PairTable:
        rows = [row for row in self._rows if row.pair.split in splits]
        if not rows:
            raise InputError(f"{self.folder}: no pairs in split {' or '.join(splits)}")
        names = {row.shard for row in rows}
        return PairTable(rows, {name: open_reader(self.folder / "shards" / name) for name in sorted(names)})


def collate(samples: Sequence[Sample], spans: Sequence[Span], padded_frames: int) -> Batch:
    """Pad the chosen spans of the motions to ``padded_frames`` and stack everything."""
    motion = torch.zeros(len(samples), padded_frames, MOTION_DIM)  # (b, n, 263)
    for row, (sample, span) in enumerate(zip(samples, spans, strict=True)):
        motion[row, : span.frames] = torch.from_numpy(sample.motion[span.slice].copy())
    return Batch(
        keys=tuple(sample.key for sample in samples),
        motion=motion,
        lengths=torch.tensor([span.frames for span in spans]),  # (b,)
        condition=VideoFeatures(
            _stack([sample.frames for sample in samples]),  # (b, t, d)
            _stack([sample.global_feature for sample in samples]),  # (b, d)
        ),
    )


def _stack(arrays: Sequence[NDArray[np.float32]]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))


def _float32(array: NDArray[Any]) -> NDArray[np.float32]:
    return array.astype(np.float32, copy=False)


def _row(values: dict[str, Any]) -> PairRow:
    if Path(values["shard"]).name != values["shard"]:
        raise ManifestError(f"pairs.parquet: {values['shard']!r} is not the name of a shard; {_REBUILD}")
    names = ("key", "clip_key", "motion_key", "split", "broad", "subcategory")
    return PairRow(Pair(**{name: values[name] for name in names}), values["length"], values["shard"])


_REBUILD = "make the data again with hero-pipeline build-pairs"
