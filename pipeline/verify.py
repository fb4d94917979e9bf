"""Does a folder hold what its manifest says? Every byte of it, addresses, shapes, numbers, identities, counts."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hero_core.cache import CACHE_FILE, KINDS, OK, Cache, Kind, Row, mending, write_not_ok
from hero_core.errors import HeroError, InputError, ManifestError, ShardError
from hero_core.manifest import CACHE, newest_rows, read_columns
from hero_core.progress import Progress, silent
from hero_core.records import SPLITS, FeatureRecord, MotionRecord
from hero_core.seal import seal_of_file
from hero_core.shards import CheckedShardReader
from hero_core.storage import read_json, sha256_of_file, sha256_of_json, write_json
from hero_core.training_set import (
    ANEW,
    DATASET_FILE,
    PAIRS_FILE,
    PairRow,
    Samples,
    TrainingSet,
)
from pipeline.plan import read_plan

GLOBAL_TOLERANCE = {"float32": 1e-5, "float16": 2e-3}
"""How far the stored global vector may be from the mean of the stored frames, relative to its largest value."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and where."""

    path: Path
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"

    @classmethod
    def of(cls, error: HeroError, folder: Path) -> "Problem":
        """What an error says, of the file in ``folder`` that it begins with."""
        name, _, what = str(error).partition(": ")
        inside = bool(what) and Path(name).is_relative_to(folder)
        return cls(Path(name), what) if inside else cls(folder, str(error))


@dataclass(frozen=True)
class VerifyReport:
    """What was looked at, what is wrong with it, and what to do about damage."""

    kind: str
    records: int
    shards: int
    problems: tuple[Problem, ...]
    remedy: str


@dataclass(frozen=True)
class _Entry:
    """A record that a manifest names: the shard where it should be, and what looks at it."""

    name: str
    shard: CheckedShardReader
    check: Callable[[], Iterator[str]]


def verify(folder: Path, report: Progress = silent) -> VerifyReport:
    """Verify a cache or a training set: any change of any byte of its files is a problem.

    Raises:
        InputError: the folder is neither.
    """
    if (folder / CACHE_FILE).is_file():
        return _verify_cache(folder, report)
    if (folder / DATASET_FILE).is_file():
        return _verify_training_set(folder, report)
    raise InputError(f"{folder}: neither a cache ({CACHE_FILE}) nor a training set ({DATASET_FILE})")


def _verify_cache(folder: Path, report: Progress) -> VerifyReport:
    try:
        cache = Cache.open(folder)
    except HeroError as error:
        return VerifyReport("cache", 0, 0, (Problem.of(error, folder),), mending(folder))
    manifest = verify_manifest(cache)
    problems = list(manifest.problems)
    shards = {place: cache.reader(*place) for place in manifest.shards}
    problems += _strays(folder, {name for name, _ in shards})
    records = sum(table["status"].to_pylist().count(OK) for table in manifest.newest.values())
    entries = (entry for kind in KINDS for entry in _cache_entries(cache, kind, manifest.newest[kind]))
    problems += _check_records(folder, entries, shards.values(), records, report)
    return VerifyReport("cache", records, len(shards), tuple(problems), mending(folder))


@dataclass(frozen=True)
class VerifiedManifest:
    """What a cache says of its inputs.

    Attributes:
        newest: the newest row of every input, by kind.
        shards: name and SHA-256 of all that rows point into, also older rows.
        problems: what is wrong with the files that say so, the shards aside.
    """

    newest: Mapping[Kind, pa.Table]
    shards: Sequence[tuple[str, str]]
    problems: Sequence[Problem]


def verify_manifest(cache: Cache) -> VerifiedManifest:
    """Verify all of a cache but its shards, column by column."""
    problems = [*_unsealed(cache.folder / CACHE_FILE), *_check_plan(cache)]
    newest: dict[Kind, pa.Table] = {}
    shards: list[tuple[str, str]] = []
    for kind in KINDS:
        table = _read_parts(cache, kind, problems)
        newest[kind] = newest_rows(table)
        shards += shards_of(table)
    if not problems:
        problems += _check_quarantine(cache, newest.values())
    for kind in KINDS:
        problems += _check_rows(cache, kind, newest[kind])
    return VerifiedManifest(newest, shards, problems)


def _check_plan(cache: Cache) -> Iterator[Problem]:
    if not cache.plan_path.is_file():
        yield Problem(
            cache.plan_path, "missing: lost, or of an earlier version; run extract again, which writes it"
        )
        return
    try:
        read_plan(cache)
        yield from _unsealed(cache.plan_path)
    except HeroError as error:
        yield Problem.of(error, cache.folder)


def _read_parts(cache: Cache, kind: Kind, problems: list[Problem]) -> pa.Table:
    """The rows of all parts of the manifest that can be read; what is wrong with the others is a problem."""
    tables = [CACHE.empty_table()]
    for part in cache.parts(kind):
        try:
            tables.append(read_columns(part, CACHE))
            problems += _unsealed(part)
        except HeroError as error:
            problems.append(Problem.of(error, cache.folder))
    return pa.concat_tables(tables)


def _unsealed(path: Path) -> Iterator[Problem]:
    if seal_of_file(path) == "absent":
        yield Problem(path, "holds no checksum of itself: damaged, or made by an earlier version")


def shards_of(table: pa.Table) -> list[tuple[str, str]]:
    """Name and SHA-256 of every shard that rows of a cache point into."""
    places = table.select(["shard", "shard_sha256"]).filter(pc.is_valid(table["shard"]))
    unique = places.group_by(["shard", "shard_sha256"], use_threads=False).aggregate([])
    return [(row["shard"], row["shard_sha256"]) for row in unique.to_pylist()]


def _check_rows(cache: Cache, kind: Kind, newest: pa.Table) -> Iterator[Problem]:
    """What the rows say of themselves, column by column."""
    manifest = cache.folder / "manifest"
    not_ok = newest.filter(pc.not_equal(newest["status"], pa.scalar(OK)))
    for row in not_ok.select(["path", "reason"]).to_pylist():
        if not row["reason"]:
            yield Problem(manifest, f"{row['path']}: in quarantine without a reason")
    expected = cache.identity.id if cache.identity else None
    if kind == "features":
        strangers = newest.filter(pc.not_equal(newest["made_by"], pa.scalar(expected or "")))
        for row in strangers.select(["path", "made_by"]).to_pylist():
            yield Problem(manifest, f"{row['path']}: made by {row['made_by']}, not {expected}")


def _check_quarantine(cache: Cache, newest: Iterable[pa.Table]) -> Iterator[Problem]:
    """The list for people is made of the rows, so that every byte of it is known."""
    if not _holds(cache.quarantine_path, partial(write_not_ok, newest=newest)):
        yield Problem(
            cache.quarantine_path,
            "not the list of what is not ok by the manifest: missing, damaged, or extract was stopped before its "
            "end; run extract again, which writes it anew",
        )


def _holds(path: Path, write: Callable[[Path], None]) -> bool:
    """Whether a file holds just the bytes that ``write`` writes."""
    with TemporaryDirectory() as folder:
        expected = Path(folder) / path.name
        write(expected)
        return path.is_file() and path.read_bytes() == expected.read_bytes()


def _cache_entries(cache: Cache, kind: Kind, newest: pa.Table) -> Iterator[_Entry]:
    for batch in newest.filter(pc.equal(newest["status"], pa.scalar(OK))).to_batches(max_chunksize=512):
        yield from (_cache_entry(cache, kind, row) for row in batch.to_pylist())


def _cache_entry(cache: Cache, kind: Kind, row: Row) -> _Entry:
    def check() -> Iterator[str]:
        if kind == "features":
            yield from _check_features(cache, cache.features(row))
        elif (length := cache.motion(row).length) != row["frames"]:
            yield f"motion of {length} frames, the manifest says {row['frames']}"

    return _Entry(row["path"], cache.reader(row["shard"], row["shard_sha256"]), check)


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


def _verify_training_set(folder: Path, report: Progress) -> VerifyReport:
    try:
        data = TrainingSet(folder)
    except HeroError as error:
        return VerifyReport("training set", 0, 0, (Problem.of(error, folder),), ANEW)
    shards = {
        row.shard: CheckedShardReader(data.shard_path(row.shard), row.shard_sha256, ANEW) for row in data.rows
    }
    problems = [
        *_unsealed(folder / DATASET_FILE),
        *_unsealed(folder / PAIRS_FILE),
        *_check_files(data),
        *_check_codes(folder),
        *_strays(folder, shards),
        *_check_counts(data),
    ]
    entries = (_sample_entry(row, shards) for row in data.rows)
    problems += _check_records(folder, entries, shards.values(), len(data.rows), report)
    return VerifyReport("training set", len(data.rows), len(shards), tuple(problems), ANEW)


def _sample_entry(row: PairRow, shards: Mapping[str, CheckedShardReader]) -> _Entry:
    def check() -> Iterator[str]:
        (sample,) = Samples([row], shards)
        MotionRecord(sample.motion)
        if sample.features is not None:
            stored = shards[row.shard][row.pair.key].arrays
            yield from _check_global(
                FeatureRecord(stored["frames"], stored["global"], stored["timestamps_seconds"])
            )

    return _Entry(row.pair.key, shards[row.shard], check)


def _check_files(data: TrainingSet) -> Iterator[Problem]:
    if not data.files:
        yield Problem(
            data.folder / DATASET_FILE, "holds no checksums of the other files: of an earlier version"
        )
    try:
        data.statistics()
    except InputError as error:
        yield Problem.of(error, data.folder)
    except ManifestError:
        pass  # told below
    for name in data.files:
        try:
            data.check_file(name)
        except ManifestError as error:
            yield Problem.of(error, data.folder)


def _check_codes(folder: Path) -> Iterator[Problem]:
    """The tokenizer's codes that hero-train keeps beside the shards: the file's name says what they are."""
    for path in sorted((folder / "codes").glob("*.npy")):
        description = path.with_suffix(".json")
        try:
            values = read_json(description)
        except InputError as error:
            yield Problem.of(error, folder)
            continue
        facts = {name: value for name, value in values.items() if name != "sha256"}
        as_named = path.stem.endswith(sha256_of_json(facts)[:16])
        as_written = _holds(description, partial(write_json, values=values))
        if not (as_named and as_written and values.get("sha256") == sha256_of_file(path)):
            yield Problem(
                path, f"damaged, or {description.name} is; remove both, and hero-train makes them again"
            )


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


def _strays(folder: Path, shards: Collection[str]) -> Iterator[Problem]:
    for path in sorted((folder / "shards").glob("*")):
        if path.name not in shards:
            yield Problem(path, "no row points into this file; a killed run left it, run the command again")


def _check_records(
    folder: Path,
    entries: Iterable[_Entry],
    shards: Iterable[CheckedShardReader],
    total: int,
    report: Progress,
) -> list[Problem]:
    """Every shard once, when its first record comes; of those whose bytes are right, every record."""
    problems: list[Problem] = []
    sound: dict[CheckedShardReader, bool] = {}

    def is_sound(shard: CheckedShardReader) -> bool:
        if shard not in sound:
            try:
                shard.check()
                sound[shard] = True
            except ShardError as error:
                problems.append(Problem.of(error, folder))
                sound[shard] = False
        return sound[shard]

    for done, entry in enumerate(entries, 1):
        if is_sound(entry.shard):
            problems += [Problem(entry.shard.path, f"{entry.name}: {what}") for what in _checked(entry)]
        report(done, total)
    for shard in shards:  # also of older rows alone
        is_sound(shard)
    return problems


def _checked(entry: _Entry) -> list[str]:
    try:
        return list(entry.check())
    except (HeroError, KeyError) as error:
        return [str(error)]
