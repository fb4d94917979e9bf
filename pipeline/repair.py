"""Drop what is damaged in a cache, so that ``extract`` makes it again. What is sound stays as it is.

A part of the manifest whose bytes changed goes whole, since no row of it can be trusted. A shard that is missing or
whose bytes changed goes, and of every part the rows that point into it. A damaged ``cache.json`` is written anew
without the identity of the features: every row says how it was made, and ``extract`` refuses another way. A damaged
plan, or one of another version, is written anew, empty: what it had left to do is planned anew.
"""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from hero_core.cache import CACHE_FILE, KINDS, Cache, Row
from hero_core.choices import SHARD_FORMATS
from hero_core.errors import HeroError, InputError, ManifestError
from hero_core.lock import LOCK_FILE, only_writer
from hero_core.manifest import CACHE, read_columns, write_table
from hero_core.progress import Progress, silent
from hero_core.seal import seal_of_file
from hero_core.storage import read_json, sha256_of_file
from pipeline.plan import read_plan, write_plan
from pipeline.verify import shards_of

_SHARD = re.compile(rf"({'|'.join(KINDS)})-\d+\.({'|'.join(SHARD_FORMATS)})")
_NO_SOURCE = {"opened": "", "columns": {}, "roots": []}


@dataclass
class Repair:
    """What is to be done to a cache; nothing is changed before :meth:`apply`.

    Attributes:
        cache: as it will be.
        description: whether ``cache.json`` is to be written anew. plan: likewise ``plan.parquet``.
        parts: of the manifest, that are dropped whole.
        rewritten: parts that lose rows, or get the seal that they lack, with the rows that they keep.
        shards: that are dropped, those that no row would point into any more among them.
        kept, lost: rows of the parts that can be read.
    """

    cache: Cache
    description: bool
    plan: bool
    parts: list[Path] = field(default_factory=list)
    rewritten: dict[Path, list[Row]] = field(default_factory=dict)
    shards: list[Path] = field(default_factory=list)
    kept: int = 0
    lost: int = 0

    @property
    def needed(self) -> bool:
        """Whether anything is to be done."""
        return self.description or self.plan or bool(self.parts or self.rewritten or self.shards)

    def lines(self) -> Iterator[str]:
        """What :meth:`apply` does, for people."""
        if self.description:
            yield f"write anew: {self.cache.folder / CACHE_FILE}, without the identity of the features"
        if self.plan:
            yield f"write anew: {self.cache.plan_path}, empty; what it had left to do is planned anew"
        for part in self.parts:
            yield f"drop: {part}, damaged; the rows in it are lost"
        for part, rows in self.rewritten.items():
            yield f"write anew: {part}, {len(rows)} rows"
        for shard in self.shards:
            yield f"drop: {shard}, damaged or without a row that points into it"
        if self.lost:
            yield f"{self.lost} rows pointed into damaged or missing shards"

    def apply(self) -> None:
        """Do it: rows before the shards that they point into, so that a killed repair can be run again."""
        if self.description:
            self.cache.write_description()
        if self.plan:
            write_plan(self.cache, {})
        for part in self.parts:
            part.unlink()
        for part, rows in self.rewritten.items():
            if rows:
                write_table(part, CACHE, rows)
            else:
                part.unlink()
        for shard in self.shards:
            shard.unlink()
        self.cache.write_quarantine()


@contextmanager
def alone_with(folder: Path) -> Iterator[None]:
    """Nobody else writes to a cache meanwhile.

    Raises:
        InputError: no cache there. OutputError: an extract is writing to it.
    """
    _opened(folder)  # a lock would make a folder of a misspelt name
    with only_writer(folder, folder / LOCK_FILE):
        yield


def plan_repair(folder: Path, report: Progress = silent) -> Repair:
    """What is damaged in a cache; every shard is hashed.

    Raises:
        InputError: no cache there, or a file cannot be read, which is not damage.
        ManifestError: of another version.
    """
    repair = _opened(folder)
    tables = {part: _read(part) for kind in KINDS for part in repair.cache.parts(kind)}
    places = sorted({place for table in tables.values() if table is not None for place in shards_of(table)})
    sound: set[tuple[str, str]] = set()
    for done, (shard, sha256) in enumerate(places, 1):
        if _is_sound(repair.cache.shard_path(shard), sha256):
            sound.add((shard, sha256))
        report(done, len(places))
    for part, table in tables.items():
        if table is None:
            repair.parts.append(part)
        else:
            _keep_sound_rows(repair, part, table, sound)
    repair.shards = _unused(folder / "shards", {shard for shard, _ in sound})
    return repair


def _opened(folder: Path) -> Repair:
    path = folder / CACHE_FILE
    try:
        return _of(Cache.open(folder), description=seal_of_file(path) == "absent")
    except HeroError:
        if not path.is_file() or (seal_of_file(path) != "broken" and _is_json(path)):
            raise
        return _of(Cache.of(folder, None, _NO_SOURCE), description=True)


def _of(cache: Cache, description: bool) -> Repair:
    return Repair(cache, description, plan=not _has_sound_plan(cache))


def _has_sound_plan(cache: Cache) -> bool:
    try:
        read_plan(cache)
    except ManifestError:
        return False
    return cache.plan_path.is_file() and seal_of_file(cache.plan_path) == "whole"


def _is_json(path: Path) -> bool:
    try:
        read_json(path)
    except InputError:
        return False
    return True


def _read(part: Path) -> pa.Table | None:
    """The rows of a part; None where its bytes changed."""
    seal = seal_of_file(part)
    if seal == "broken":
        return None
    try:
        return read_columns(part, CACHE)
    except ManifestError:
        if seal == "whole":
            raise  # of another version
        return None


def _is_sound(path: Path, sha256: str) -> bool:
    try:
        return path.is_file() and sha256_of_file(path) == sha256
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read: {error.strerror or error}; nothing was changed. If this is for good, remove "
            "the file and repair again"
        ) from None


def _keep_sound_rows(repair: Repair, part: Path, table: pa.Table, sound: Collection[tuple[str, str]]) -> None:
    rows = table.to_pylist()
    kept = [row for row in rows if row["shard"] is None or (row["shard"], row["shard_sha256"]) in sound]
    repair.kept += len(kept)
    repair.lost += len(rows) - len(kept)
    if len(kept) < len(rows) or seal_of_file(part) == "absent":
        repair.rewritten[part] = kept


def _unused(folder: Path, used: Collection[str]) -> list[Path]:
    """Shards that no row points into; files of other names are not ours to drop."""
    return [
        path for path in sorted(folder.glob("*")) if _SHARD.fullmatch(path.name) and path.name not in used
    ]
