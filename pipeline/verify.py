"""Does a folder hold what its manifest says? Bytes, addresses, shapes, numbers, fingerprints, counts."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hero_core.errors import HeroError, InputError
from hero_core.files import read_json, sha256_of_file
from hero_core.manifest import PAIRS, read_table
from hero_core.motion.normaliser import Normaliser
from hero_core.records import MotionRecord
from hero_core.shards import ArrayRecord, ShardReader, open_reader
from pipeline.feature_cache import OK, FeatureCache, clip_fingerprint, feature_record
from pipeline.pairs import SCHEMA as TRAINING_DATA_SCHEMA

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


ReportProgress = Callable[[int, int], None]


def verify(folder: Path, report: ReportProgress = lambda done, total: None) -> VerifyReport:
    """Verify a feature cache or a training data folder.

    Raises:
        InputError: the folder is neither.
    """
    if (folder / "extract.json").is_file():
        return _verify_features(folder, report)
    if (folder / "dataset.json").is_file():
        return _verify_training_data(folder, report)
    raise InputError(f"{folder}: neither a feature cache (extract.json) nor training data (dataset.json)")


def _verify_features(folder: Path, report: ReportProgress) -> VerifyReport:
    cache = FeatureCache.open(folder)
    every = cache.rows()
    rows = [row for row in every.values() if row["status"] == OK]
    problems = list(_stray_shards(folder, {row["shard"] for row in rows}))
    for row in every.values():
        if row["status"] != OK and not row["reason"]:
            problems.append(Problem(folder / "manifest", f"{row['key']}: quarantined without a reason"))
        if row["fingerprint"] != cache.fingerprint.id:
            problems.append(
                Problem(
                    folder / "manifest",
                    f"{row['key']}: made by {row['fingerprint']}, not {cache.fingerprint.id}",
                )
            )

    def check(row: Mapping[str, Any], record: ArrayRecord) -> Iterator[str]:
        features = feature_record(record)
        expected = clip_fingerprint(cache.fingerprint, row["sha256"])
        if features.fingerprint != expected:
            yield f"fingerprint {features.fingerprint}, expected {expected}"
        if features.frames.shape[1] != row["dim"] or str(features.frames.dtype) != row["dtype"]:
            yield f"{features.frames.shape} {features.frames.dtype}, manifest says {row['dim']} {row['dtype']}"
        if list(features.timestamps_seconds) != row["timestamps_seconds"]:
            yield "timestamps differ from the manifest"
        yield from _check_global(record)

    problems += _check_records(folder, rows, check, report)
    return VerifyReport("feature cache", len(rows), len({row["shard"] for row in rows}), tuple(problems))


def _verify_training_data(folder: Path, report: ReportProgress) -> VerifyReport:
    description = read_json(folder / "dataset.json")
    problems: list[Problem] = []
    if description.get("schema") != TRAINING_DATA_SCHEMA:
        problems.append(
            Problem(
                folder / "dataset.json",
                f"version {description.get('schema')!r}, not {TRAINING_DATA_SCHEMA!r}",
            )
        )
    rows = read_table(folder / "pairs.parquet", PAIRS)
    problems += _stray_shards(folder, {row["shard"] for row in rows})
    problems += _check_counts(folder, description, rows)
    Normaliser.load(folder)

    def check(row: Mapping[str, Any], record: ArrayRecord) -> Iterator[str]:
        motion = MotionRecord(row["motion_key"], np.asarray(record.arrays["motion"]), row["motion_source"])
        if motion.length != row["length"]:
            yield f"motion of {motion.length} frames, manifest says {row['length']}"
        yield from _check_global(record)

    problems += _check_records(folder, rows, check, report)
    return VerifyReport("training data", len(rows), len({row["shard"] for row in rows}), tuple(problems))


def _check_counts(
    folder: Path, description: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> Iterator[Problem]:
    counts = description.get("counts", {})
    pairs = Counter(row["split"] for row in rows)
    if {split: pairs[split] for split in ("train", "val", "test")} != counts.get("pairs"):
        yield Problem(
            folder / "pairs.parquet", f"holds {dict(pairs)}, dataset.json says {counts.get('pairs')}"
        )
    if len(rows) + counts.get("lost_pairs", 0) != counts.get("listed_pairs"):
        yield Problem(folder / "dataset.json", "pairs written and lost do not add up to the pairs listed")
    sides: dict[str, set[bool]] = {}
    for row in rows:
        sides.setdefault(row["source_video"], set()).add(row["split"] == "test")
    for source_video, both in sides.items():
        if len(both) == 2 and source_video not in description.get("leaking_sources", []):
            yield Problem(folder / "pairs.parquet", f"source video {source_video} is in test and in training")


def _check_global(record: ArrayRecord) -> Iterator[str]:
    frames, stated = record.arrays["frames"], record.arrays["global"]
    if not (np.isfinite(frames).all() and np.isfinite(stated).all()):
        yield "features hold NaN or infinite values"
        return
    mean = frames.astype(np.float64).mean(axis=0)  # (d,)
    error = float(np.abs(mean - stated).max() / max(np.abs(mean).max(), 1e-6))
    if error > GLOBAL_TOLERANCE[str(frames.dtype)]:
        yield f"global vector is off the mean of the frames by {error:.1e} of its largest value"


def _stray_shards(folder: Path, known: set[str]) -> Iterator[Problem]:
    for path in sorted((folder / "shards").glob("*")):
        if path.name not in known:
            yield Problem(
                path, "no manifest row points into this file; a killed run left it, run the command again"
            )


def _check_records(
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    check: Callable[[Mapping[str, Any], ArrayRecord], Iterator[str]],
    report: ReportProgress,
) -> list[Problem]:
    problems: list[Problem] = []
    readers: dict[str, ShardReader | None] = {}
    for done, row in enumerate(rows, 1):
        path = folder / "shards" / row["shard"]
        if row["shard"] not in readers:
            wrong = _check_bytes(path, row["shard_sha256"])
            problems += [Problem(path, wrong)] if wrong else []
            readers[row["shard"]] = open_reader(path) if path.is_file() else None
        reader = readers[row["shard"]]
        if reader is not None:
            try:
                problems += [
                    Problem(path, f"{row['key']}: {what}") for what in check(row, reader[row["key"]])
                ]
            except (HeroError, KeyError) as error:
                problems.append(Problem(path, f"{row['key']}: {error}"))
        report(done, len(rows))
    return problems


def _check_bytes(path: Path, expected_sha256: str) -> str | None:
    if not path.is_file():
        return "missing, though the manifest points into it"
    found = sha256_of_file(path)
    return (
        None
        if found == expected_sha256
        else f"sha256 {found[:12]}…, the manifest says {expected_sha256[:12]}…"
    )
