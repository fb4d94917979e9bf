"""The one place that opens the test split. Training cannot reach it; see :mod:`trainer.data`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hero_core.errors import InputError
from hero_core.manifest import PAIRS, read_table
from hero_core.records import Pair
from hero_core.shards import open_reader
from trainer.data import PairRow, PairTable, Sample, TrainingData
from trainer.draws import UNIT_FRAMES

HeldOutSplit = Literal["test", "val"]


class Truth(NamedTuple):
    """The right reaction to a clip, which only a procedural data set knows; ``side`` may be none."""

    reaction: str
    side: str
    onset_seconds: float

    @property
    def moves(self) -> bool:
        """Whether the reaction is a movement; standing has no onset, which is written as 0."""
        return self.onset_seconds > 0


@dataclass(frozen=True)
class HeldOutPair:
    """A pair that no model was trained on, read from its shard."""

    pair: Pair
    sample: Sample
    truth: Truth | None


@dataclass(frozen=True)
class HeldOutData:
    """One split of a training-data folder.

    Attributes:
        pairs: in the order of the manifest; motions shorter than one token are left out.
        skipped: how many those are.
        description: ``dataset.json``.
        fingerprint: which data this is, all splits together.
        padded_frames: what training pads motions to.
    """

    folder: Path
    split: HeldOutSplit
    pairs: Sequence[HeldOutPair]
    skipped: int
    description: Mapping[str, Any]
    fingerprint: str
    padded_frames: int


def open_held_out(folder: Path, split: HeldOutSplit = "test") -> HeldOutData:
    """Read every pair of a held-out split.

    Raises:
        InputError: no training data there, or the split is empty.
        ManifestError: the data is of another version.
        ShardError: a shard does not hold what the manifest says.
    """
    data = TrainingData(folder)
    rows = [row for row in read_table(folder / "pairs.parquet", PAIRS) if row["split"] == split]
    usable = [row for row in rows if row["length"] >= UNIT_FRAMES]
    if not usable:
        raise InputError(f"{folder}: no pairs in the {split} split to evaluate on")
    table = _table(folder, usable)
    pairs = [
        HeldOutPair(entry.pair, sample, _truth(row))
        for row, entry, sample in zip(usable, table.rows, table, strict=True)
    ]
    return HeldOutData(
        folder=folder,
        split=split,
        pairs=pairs,
        skipped=len(rows) - len(usable),
        description=data.description,
        fingerprint=data.fingerprint,
        padded_frames=data.longest_motion_frames,
    )


def _table(folder: Path, rows: Sequence[Mapping[str, Any]]) -> PairTable:
    names = ("key", "clip_key", "motion_key", "split", "broad", "subcategory")
    entries = [
        PairRow(Pair(**{name: row[name] for name in names}), row["length"], row["shard"]) for row in rows
    ]
    shards = sorted({entry.shard for entry in entries})
    return PairTable(entries, {name: open_reader(folder / "shards" / Path(name).name) for name in shards})


def _truth(row: Mapping[str, Any]) -> Truth | None:
    if row["truth_reaction"] is None:
        return None
    return Truth(row["truth_reaction"], row["truth_side"] or "none", row["truth_onset_seconds"] or 0.0)
