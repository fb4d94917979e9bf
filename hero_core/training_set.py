"""A training set: the one place that knows its files, its rows and how to read them.

    SET/dataset.json             what this is, how its features were made, counts
    SET/pairs.parquet            one row for every pair
    SET/quarantine.parquet       one row for every input that could not be used (and quarantine.csv, for people)
    SET/Mean.npy, SET/Std.npy    of the training motions, or those that the data set ships
    SET/shards/train-00000.tar   samples: frames, global, timestamps_seconds, motion; a motion of its own: motion

``dataset.json`` is sealed (:mod:`hero_core.seal`) and holds the SHA-256 of the other files, the rows those of the
shards, so that a change of any byte is noticed.

Nothing is loaded whole; shards open on first use. They may lie elsewhere than the rest, also behind a URL.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from copy import copy
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import groupby, tee
from pathlib import Path
from sys import intern
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
from numpy.typing import NDArray

from hero_core.config import parse_config
from hero_core.errors import InputError, ManifestError, ShardError
from hero_core.fingerprint import FeatureIdentity
from hero_core.manifest import PAIRS, read_rows, write_table
from hero_core.motion.format import FRAMES_PER_TOKEN, MOTION_DIM
from hero_core.motion.statistics import STATISTICS_FILES, MotionStatistics
from hero_core.records import SPLITS, FeatureRecord, MotionRecord, Pair, Split, Truth
from hero_core.seal import require_unbroken, seal_of_file, write_sealed_json
from hero_core.shards import ArrayRecord, CheckedShardReader, RemoteShardReader, ShardReader
from hero_core.storage import read_json, sha256_of_file, sha256_of_json

SCHEMA = "hero-training-set/2"
DATASET_FILE = "dataset.json"
PAIRS_FILE = "pairs.parquet"
QUARANTINE_FILE = "quarantine.parquet"
QUARANTINE_LIST = "quarantine.csv"

Selection = Literal["validation", "official-test"]
"""Which pairs choose the best checkpoint. The official release uses its test list; we carve ``val`` out of train."""

SAMPLES_KEPT, BYTES_KEPT = 4096, 256 << 20
"""What stays in memory once read. Samples of a tar are views of its memory map and cost next to nothing; the bytes are
those of HDF5 shards, and of values that are stored in half precision."""

_REPEATED = ("split", "broad", "subcategory", "shard", "shard_sha256")
"""Columns with few different values, of which the rows of a set share one copy."""

ANEW = "make it anew with hero-pipeline build-pairs"


@dataclass(frozen=True, slots=True)
class PairRow:
    """One row of the manifest: a pair, and the shard that holds its sample. All are in memory, so they are small."""

    pair: Pair
    shard: str
    shard_sha256: str

    def values(self) -> dict[str, Any]:
        """The row as columns."""
        columns = {field.name: getattr(self.pair, field.name) for field in fields(self.pair)}
        truth: Truth | None = columns.pop("truth")
        if truth is not None:
            columns |= {f"truth_{name}": value for name, value in vars(truth).items()}
        return {**columns, "shard": self.shard, "shard_sha256": self.shard_sha256}

    @classmethod
    def of(cls, values: Mapping[str, Any], path: Path) -> "PairRow":
        """The row that columns describe.

        Raises:
            ManifestError: an impossible value, with ``path`` where it stands.
        """
        columns = {**values, **{name: intern(values[name]) for name in _REPEATED}}
        shard, sha256 = columns.pop("shard"), columns.pop("shard_sha256")
        reaction, side, onset = (
            columns.pop(f"truth_{name}") for name in ("reaction", "side", "onset_seconds")
        )
        if Path(shard).name != shard:
            raise ManifestError(f"{path}: {shard!r} is not the name of a shard; {ANEW}")
        if columns["split"] not in SPLITS:
            raise ManifestError(f"{path}: split {columns['split']!r} is none of {', '.join(SPLITS)}; {ANEW}")
        truth = None if reaction is None else Truth(reaction, side or "none", onset or 0.0)
        try:
            return cls(Pair(**columns, truth=truth), shard, sha256)
        except InputError as error:
            raise ManifestError(f"{path}: {error}; {ANEW}") from None


class Sample(NamedTuple):
    """What a shard holds of a pair.

    Attributes:
        motion: ``(n, 263)`` float32.
        features: of the video, as float32; None for a motion of its own.
    """

    pair: Pair
    motion: NDArray[np.float32]
    features: FeatureRecord | None

    @property
    def video(self) -> FeatureRecord:
        """The features, of a pair that has a video."""
        if self.features is None:
            raise InputError(f"{self.pair.key}: a motion of its own, without a video")
        return self.features

    @property
    def bytes_owned(self) -> int:
        """Memory of its arrays; what is a view of a memory map has none."""
        arrays = [self.motion, *(self.features.arrays().values() if self.features else ())]
        return sum(array.nbytes for array in arrays if _owner(array).flags.owndata)


def _owner(array: NDArray[Any]) -> NDArray[Any]:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def sample_record(key: str, motion: MotionRecord, features: FeatureRecord | None, pair: Pair) -> ArrayRecord:
    """A sample as a shard holds it, for readers without this project's code too."""
    arrays = {**motion.arrays(), **(features.arrays() if features else {})}
    names = ("clip_key", "motion_key", "broad", "subcategory")
    return ArrayRecord(key, arrays, {name: getattr(pair, name) for name in names})


class Samples(Sequence[Sample]):
    """Rows of the manifest with random access to what they point at. Safe to send to loader processes."""

    def __init__(self, rows: Iterable[PairRow], readers: Mapping[str, ShardReader]) -> None:
        self.rows = tuple(rows)
        self._readers = readers
        self._kept: dict[int, Sample] = {}
        self._bytes_kept = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": {}, "_bytes_kept": 0}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Sample:  # type: ignore[override]
        """The sample at ``index``.

        Raises:
            ShardError: the shard does not hold what the manifest says.
        """
        sample = self._kept.get(index)
        if sample is None:
            row = self.rows[index]
            sample = _sample(row, self._readers[row.shard][row.pair.key])
            if len(self._kept) < SAMPLES_KEPT and self._bytes_kept < BYTES_KEPT:
                self._kept[index] = sample
                self._bytes_kept += sample.bytes_owned
        return sample

    def in_passing(self, indices: Iterable[int]) -> Iterator[Sample]:
        """The samples at ``indices``, which are asked for one by one; no sample is kept and no file mapped.

        A shard is read once from front to back where neighbours among ``indices`` are neighbours in the manifest.

        Raises:
            ShardError: the shard does not hold what the manifest says.
        """
        rows = (self.rows[index] for index in indices)
        for shard, run in groupby(rows, lambda row: row.shard):
            run, same = tee(run)
            with closing(self._readers[shard].records(row.pair.key for row in same)) as records:
                for row, record in zip(run, records, strict=False):  # what ends the run ends both
                    yield _sample(row, record)

    @property
    def remote(self) -> bool:
        """Whether a shard would have to be copied before it is read at random."""
        return any(
            isinstance(self._readers[shard], RemoteShardReader) for shard in {row.shard for row in self.rows}
        )

    def unique_motions(self) -> "Samples":
        """The first pair of every motion, in the order of the manifest."""
        first: dict[str, PairRow] = {}
        for row in self.rows:
            first.setdefault(row.pair.motion_key, row)
        return Samples(first.values(), self._readers)

    def unique_clips(self) -> "Samples":
        """The first pair of every clip, in the order of the manifest; motions of their own are left out."""
        first: dict[str, PairRow] = {}
        for row in self.rows:
            if row.pair.clip_key is not None:
                first.setdefault(row.pair.clip_key, row)
        return Samples(first.values(), self._readers)

    def with_video(self) -> "Samples":
        """The pairs that have a video."""
        return Samples((row for row in self.rows if row.pair.clip_key is not None), self._readers)

    def long_enough(self) -> "Samples":
        """The pairs whose motion holds at least one token."""
        return Samples((row for row in self.rows if row.pair.length >= FRAMES_PER_TOKEN), self._readers)


def _sample(row: PairRow, record: ArrayRecord) -> Sample:
    """What the manifest says of a record, checked.

    Raises:
        ShardError: the record is not what the manifest says.
    """
    pair, arrays = row.pair, record.arrays
    names = {"motion"} if pair.clip_key is None else {"motion", "frames", "global", "timestamps_seconds"}
    if missing := names - arrays.keys():
        raise ShardError(f"{row.shard}: sample {pair.key} lacks {', '.join(sorted(missing))}; {ANEW}")
    motion = np.asarray(arrays["motion"], np.float32)
    if motion.shape != (pair.length, MOTION_DIM):
        raise ShardError(
            f"{row.shard}: motion of {pair.key} is {motion.shape}, the manifest says "
            f"({pair.length}, {MOTION_DIM}); {ANEW}"
        )
    if pair.clip_key is None:
        return Sample(pair, motion, None)
    frames, mean = (np.asarray(arrays[name], np.float32) for name in ("frames", "global"))
    try:
        features = FeatureRecord(frames, mean, np.asarray(arrays["timestamps_seconds"]))
    except InputError as error:
        raise ShardError(f"{row.shard}: sample {pair.key}: {error}; {ANEW}") from None
    return Sample(pair, motion, features)


class TrainingSet:
    """A training set on disk."""

    def __init__(self, folder: Path) -> None:
        """Read the small files; no shard is opened.

        Raises:
            InputError: no training set there.
            ManifestError: it is of another version, or damaged.
        """
        self.folder = folder
        self._shards: Path | str = folder / "shards"
        self._readers: dict[tuple[str, str], ShardReader] = {}
        self._first_motions = False
        path = folder / DATASET_FILE
        if not path.is_file():
            raise InputError(
                f"{folder}: no training set here ({DATASET_FILE}); make one with hero-pipeline build-pairs"
            )
        self.description = read_json(path)
        if self.description.get("schema") != SCHEMA:
            raise ManifestError(
                f"{path}: version {self.description.get('schema')!r}, this program reads {SCHEMA!r}; "
                "make it anew: hero-pipeline extract, then hero-pipeline build-pairs, into other folders"
            )
        require_unbroken(path, seal_of_file(path), ANEW)
        manifest = folder / PAIRS_FILE
        self.rows = tuple(PairRow.of(values, manifest) for values in read_rows(manifest, PAIRS))
        """Every row; what is in the shards of the test split is for :meth:`held_out` alone to read."""

    @property
    def fingerprint(self) -> str:
        """Which features and shards this is, as ``build-pairs`` says."""
        return str(self.description.get("fingerprint"))

    @cached_property
    def digest(self) -> str:
        """The fingerprint together with what else decides what is read.

        That is the manifest, the statistics, whether it is synchronous, and whether only the first motions are read.
        """
        files = {name: sha256_of_file(self.folder / name) for name in (PAIRS_FILE, *STATISTICS_FILES)}
        read = {"fingerprint": self.fingerprint, "files": files, "synchronous": self.synchronous}
        if self._first_motions:
            read["motions"] = "first of each clip"
        return sha256_of_json(read)[:16]

    @property
    def synchronous(self) -> bool:
        """Whether frame k of every reaction is k / 20 s after its video's first frame, as the data set says."""
        return bool(self.description.get("synchronous", False))

    @cached_property
    def identity(self) -> FeatureIdentity | None:
        """How its features were made; None where there are motions only."""
        features = self.description.get("features")
        return None if features is None else parse_config(FeatureIdentity, features, str(self.folder))

    def facts(self) -> dict[str, Any]:
        """What checkpoints and reports note of the data they come from."""
        names = (
            "name",
            "statement",
            "encoder_statement",
            "features",
            "provenance",
            "protocol",
            "statistics_from",
            "synchronous",
        )
        return {"fingerprint": self.fingerprint, **{name: self.description.get(name) for name in names}}

    def train(self, selection: Selection = "validation") -> Samples:
        """Pairs to learn from. Official-test selection has no validation split, so ``val`` is learnt from too."""
        return self._samples("train") if selection == "validation" else self._samples("train", "val")

    def validation(self, selection: Selection = "validation") -> Samples:
        """Pairs that choose the best checkpoint."""
        return self._samples("val") if selection == "validation" else self._samples("test")

    def read_by_training(self, selection: Selection = "validation") -> Samples:
        """The pairs of :meth:`train` and of :meth:`validation` together."""
        official: tuple[Split, ...] = ("test",) if selection == "official-test" else ()
        return self._samples("train", "val", *official)

    def held_out(self, split: Literal["test", "val"]) -> Samples:
        """Pairs to measure on, long enough for a token and with a video. Training never calls this."""
        return self._samples(split).with_video().long_enough()

    def statistics(self) -> MotionStatistics:
        """Mean and standard deviation of the training motions, or those that the data set ships.

        Raises:
            InputError: they cannot be read. ManifestError: they are not those that were written.
        """
        for name in STATISTICS_FILES:
            self.check_file(name)
        return MotionStatistics.load(self.folder)

    @property
    def files(self) -> dict[str, str]:
        """SHA-256 of every file beside the shards; none of a set that an earlier version made."""
        return dict(self.description.get("files", {}))

    def check_file(self, name: str) -> None:
        """Hold a file to its SHA-256.

        Raises:
            ManifestError: it is missing, or its bytes changed.
        """
        path, expected = self.folder / name, self.files.get(name)
        if not path.is_file():
            raise ManifestError(f"{path}: missing; {ANEW}")
        if expected is not None and sha256_of_file(path) != expected:
            raise ManifestError(
                f"{path}: damaged or edited, its sha256 is not that in {DATASET_FILE}; {ANEW}"
            )

    def shard_path(self, name: str) -> Path:
        """Where a shard lies that was not put elsewhere."""
        return self.folder / "shards" / name

    def with_shards_at(self, place: str) -> "TrainingSet":
        """The same set, its shards read from another folder, or from a URL."""
        other = copy(self)
        url = urlsplit(place)
        local = Path(url2pathname(url.path) if url.scheme == "file" else place)
        other._readers = {}
        other._shards = place.rstrip("/") if "://" in place and url.scheme != "file" else local
        return other

    def with_first_motions(self) -> "TrainingSet":
        """The same set, of whose training clips only the first motion is read; motions of their own stay."""
        other = copy(self)
        other.__dict__.pop("digest", None)
        other._first_motions = True
        clips: set[str] = set()
        rows = []
        for row in self.rows:
            clip = row.pair.clip_key if row.pair.split == "train" else None
            if clip is None or clip not in clips:
                rows.append(row)
            if clip is not None:
                clips.add(clip)
        other.rows = tuple(rows)
        return other

    def reader(self, shard: str, sha256: str) -> ShardReader:
        """A shard, held to its SHA-256 when it is first read; one reader for all who read it."""
        if (shard, sha256) not in self._readers:
            if isinstance(self._shards, Path):
                reader: ShardReader = CheckedShardReader(self._shards / shard, sha256, ANEW)
            else:
                reader = RemoteShardReader(f"{self._shards}/{shard}", sha256)
            self._readers[shard, sha256] = reader
        return self._readers[shard, sha256]

    def _samples(self, *splits: Split) -> Samples:
        rows = [row for row in self.rows if row.pair.split in splits]
        if not rows:
            raise InputError(f"{self.folder}: no pairs in split {' or '.join(splits)}")
        shards = sorted({(row.shard, row.shard_sha256) for row in rows})
        return Samples(rows, {name: self.reader(name, sha256) for name, sha256 in shards})


def write_manifest(folder: Path, rows: Sequence[PairRow]) -> None:
    """Write the rows of a training set."""
    write_table(folder / PAIRS_FILE, PAIRS, [row.values() for row in rows])


def write_description(
    folder: Path, rows: Sequence[PairRow], identity: FeatureIdentity | None, **facts: Any
) -> None:
    """Write ``dataset.json``, which makes the folder a training set: last of all, with the SHA-256 of the others.

    Args:
        folder: where it is.
        rows: of its manifest.
        identity: how its features were made.
        facts: name, statement, encoder_statement, protocol, synchronous, statistics_from, split, counts, ...
    """
    shards = sorted({(row.shard, row.shard_sha256) for row in rows})
    fingerprint = sha256_of_json({"features": identity.id if identity else None, "shards": shards})[:16]
    features = None if identity is None else identity.model_dump(mode="json")
    files = {
        path.name: sha256_of_file(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != DATASET_FILE
    }
    values = {"schema": SCHEMA, "fingerprint": fingerprint, "features": features, "files": files, **facts}
    write_sealed_json(folder / DATASET_FILE, values)
