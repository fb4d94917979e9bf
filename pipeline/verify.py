"""Does a folder hold what its manifest says? Bytes, addresses, shapes, numbers, identities, counts."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hero_core.cache import CACHE_FILE, KINDS, OK, Cache, Kind, Row
from hero_core.errors import HeroError, InputError
from hero_core.progress import Progress, silent
from hero_core.records import SPLITS, FeatureRecord, MotionRecord
from hero_core.shards import ShardReader, open_reader
from hero_core.storage import sha256_of_file
from hero_core.training_set import DATASET_FILE, PairRow, Samples, TrainingSet

GLOBAL_TOLERANCE = {"float32": 1e-5, "float16": 2e-3}
"""How far the stored global vector may be from the mean of the stored frames, relative to its largest value."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and where."""

    path: Path
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


@dataclass(frozen=True)
class VerifyReport:
    """What was looked at, and what is wrong with it."""

    kind: str
    records: int
    shards: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class _Entry:
    """A record that a manifest names: where it should be, and what looks at it."""

    name: str
    shard: Path
    sha256: str
    check: Callable[[], Iterator[str]]


def verify(folder: Path, report: Progress = silent) -> VerifyReport:
    """Verify a cache or a training set.

    Raises:
        InputError: the folder is neither.
    """
    if (folder / CACHE_FILE).is_file():
        return _verify_cache(Cache.open(folder), report)
    if (folder / DATASET_FILE).is_file():
        return _verify_training_set(TrainingSet(folder), report)
    raise InputError(f"{folder}: neither a cache ({CACHE_FILE}) nor a training set ({DATASET_FILE})")


def _verify_cache(cache: Cache, report: Progress) -> VerifyReport:
    problems: list[Problem] = []
    entries: list[_Entry] = []
    for kind in KINDS:
        for row in cache.rows(kind).values():
            problems += [
                Problem(cache.folder / "manifest", f"{row['path']}: {what}")
                for what in _row(cache, kind, row)
            ]
            if row["status"] == OK:
                entries.append(_cache_entry(cache, kind, row))
    problems += _strays(cache.folder, entries)
    problems += _check_entries(entries, report)
    return VerifyReport("cache", len(entries), len({e.shard for e in entries}), tuple(problems))


def _row(cache: Cache, kind: Kind, row: Row) -> Iterator[str]:
    if row["status"] != OK and not row["reason"]:
        yield "in quarantine without a reason"
    expected = cache.identity.id if cache.identity else None
    if kind == "features" and row["made_by"] != expected:
        yield f"made by {row['made_by']}, not {expected}"


def _cache_entry(cache: Cache, kind: Kind, row: Row) -> _Entry:
    def check() -> Iterator[str]:
        if kind == "features":
            yield from _check_features(cache, cache.features(row))
        elif (length := cache.motion(row).length) != row["frames"]:
            yield f"motion of {length} frames, the manifest says {row['frames']}"

    return _Entry(row["path"], cache.shard_path(row["shard"]), row["shard_sha256"], check)


def _check_features(cache: Cache, features: FeatureRecord) -> Iterator[str]:
    if cache.identity is None:
        yield "features in a cache that says it has none"
        return
    dim, dtype = cache.identity.encoder.architecture["out_dim"], cache.identity.storage_dtype
    if features.frames.shape[1] != dim or str(features.frames.dtype) != dtype:
        yield f"features {features.frames.shape} {features.frames.dtype}, {CACHE_FILE} says {dim} {dtype}"
    yield from _check_global(features)


def _check_global(features: FeatureRecord) -> Iterator[str]:
    mean = features.frames.astype(np.float64).mean(axis=0)  # (d,)
    error = float(np.abs(mean - features.global_feature).max() / max(np.abs(mean).max(), 1e-6))
    if error > GLOBAL_TOLERANCE[str(features.frames.dtype)]:
        yield f"global vector is off the mean of the frames by {error:.1e} of its largest value"


def _verify_training_set(data: TrainingSet, report: Progress) -> VerifyReport:
    readers = {row.shard: open_reader(data.shard_path(row.shard)) for row in data.rows}
    entries = [_sample_entry(data, row, readers) for row in data.rows]
    problems = [*_strays(data.folder, entries), *_check_counts(data), *_check_statistics(data)]
    problems += _check_entries(entries, report)
    return VerifyReport("training set", len(entries), len(readers), tuple(problems))


def _sample_entry(data: TrainingSet, row: PairRow, readers: Mapping[str, ShardReader]) -> _Entry:
    def check() -> Iterator[str]:
        (sample,) = Samples([row], readers)
        MotionRecord(sample.motion)
        if sample.features is not None:
            stored = readers[row.shard][row.pair.key].arrays
            yield from _check_global(
                FeatureRecord(stored["frames"], stored["global"], stored["timestamps_seconds"])
            )

    return _Entry(row.pair.key, data.shard_path(row.shard), row.shard_sha256, check)


def _check_counts(data: TrainingSet) -> Iterator[Problem]:
    counts = data.description.get("counts", {})
    pairs = Counter(row.pair.split for row in data.rows)
    path = data.folder / DATASET_FILE
    if {split: pairs[split] for split in SPLITS} != counts.get("pairs"):
        yield Problem(path, f"says {counts.get('pairs')}, the manifest holds {dict(pairs)}")
    if len(data.rows) + counts.get("lost_pairs", 0) != counts.get("listed_pairs"):
        yield Problem(path, "pairs written and lost do not add up to the pairs listed")
    sides: dict[str, set[bool]] = {}
    for row in data.rows:
        sides.setdefault(row.pair.source_video, set()).add(row.pair.split == "test")
    for source_video, both in sides.items():
        if len(both) == 2 and source_video not in data.description.get("leaking_sources", []):
            yield Problem(path, f"source video {source_video} is in test and in training")


def _check_statistics(data: TrainingSet) -> Iterator[Problem]:
    try:
        data.statistics()
    except HeroError as error:
        yield Problem(data.folder, str(error))


def _strays(folder: Path, entries: Sequence[_Entry]) -> Iterator[Problem]:
    known = {entry.shard for entry in entries}
    for path in sorted((folder / "shards").glob("*")):
        if path not in known:
            yield Problem(path, "no row points into this file; a killed run left it, run the command again")


def _check_entries(entries: Sequence[_Entry], report: Progress) -> list[Problem]:
    problems: list[Problem] = []
    found: dict[Path, str | None] = {}
    for done, entry in enumerate(entries, 1):
        if entry.shard not in found:
            found[entry.shard] = sha256_of_file(entry.shard) if entry.shard.is_file() else None
            problems += [
                Problem(entry.shard, what) for what in _check_bytes(found[entry.shard], entry.sha256)
            ]
        if found[entry.shard] is not None:
            problems += [Problem(entry.shard, f"{entry.name}: {what}") for what in _checked(entry)]
        report(done, len(entries))
    return problems


def _check_bytes(found: str | None, expected: str) -> Iterator[str]:
    if found is None:
        yield "missing, though the manifest points into it"
    elif found != expected:
        yield f"sha256 {found[:12]}…, the manifest says {expected[:12]}…"


def _checked(entry: _Entry) -> list[str]:
    try:
        return list(entry.check())
    except (HeroError, KeyError) as error:
        return [str(error)]
