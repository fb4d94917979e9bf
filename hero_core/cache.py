"""A cache: of every video its features, of every motion its HumanML3D vectors, each made once.

    OUT/cache.json                        what it is made of, and the identity of its features
    OUT/plan.parquet                      which inputs go into which shard; written before the first of them is made
    OUT/shards/features-00000.tar         records: frames, global, timestamps_seconds
    OUT/shards/motions-00000.tar          records: motion
    OUT/manifest/features-00000.parquet   one row for every input that was tried; written after its shard
    OUT/quarantine.csv                    the rows that are not ok, for people

Any change of any byte is noticed: the first two and the manifest are sealed (:mod:`hero_core.seal`), a shard's SHA-256
is in the rows that point into it, and the last is made of the rows.

A record's key is made of the content of the file and of how it was made (:func:`record_key`), so a record found
under the key that its row names is the right one, and a file that was moved or listed twice is made once.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hero_core.config import parse_config
from hero_core.errors import FingerprintError, InputError, ManifestError
from hero_core.fingerprint import FeatureIdentity, FeatureProvenance, differences
from hero_core.lock import LOCK_FILE
from hero_core.manifest import CACHE, newest_rows, read_columns, write_table
from hero_core.mirror import Mirror
from hero_core.records import FeatureRecord, MotionRecord
from hero_core.seal import require_unbroken, seal_of_file, write_sealed_json
from hero_core.shards import CheckedShardReader
from hero_core.storage import TEMPORARY_SUFFIX, atomic_path, read_json, remove_partial_files, write_csv

SCHEMA = "hero-cache/2"
CACHE_FILE = "cache.json"
PLAN_FILE = "plan.parquet"

Kind = Literal["features", "motions"]
KINDS: tuple[Kind, ...] = ("features", "motions")

OK = "ok"
QUARANTINED = "quarantined"

Row = dict[str, Any]
"""A row of the manifest, by column; ``manifests/README.md`` has the columns."""


def mending(folder: Path) -> str:
    """What to do about damage to a cache."""
    return f"hero-pipeline repair {folder} drops what is damaged, and extract makes that again"


def record_key(content_sha256: str, made_by: str) -> str:
    """Key of what was made of a file with this content in this way."""
    return hashlib.sha256(f"{content_sha256} {made_by}".encode()).hexdigest()[:32]


def write_not_ok(path: Path, newest: Iterable[pa.Table]) -> None:
    """List for people which of the newest rows of each kind are not ok."""
    columns = ["path", "stage", "reason"]
    tables = (table.filter(pc.not_equal(table["status"], pa.scalar(OK))).select(columns) for table in newest)
    write_csv(path, columns, chain.from_iterable(table.to_pylist() for table in tables))


def part_number(part: Path) -> int:
    """Number of a part of the manifest, and of its shard."""
    return int(_number(part))


def own_shards(part: Path, rows: Iterable[Row]) -> list[str]:
    """Of the shards that rows of a part point into, the one that was written with it; none where it has no records."""
    named = {str(row["shard"]) for row in rows if row.get("shard")}
    return sorted(name for name in named if Path(name).stem == part.stem)


def _number(part: Path) -> str:
    return part.stem.partition("-")[2]


def _is_of_a_beginning(path: Path) -> bool:
    """Whether a file is there before ``cache.json`` is, so that a cache may have been begun here."""
    return path.name == LOCK_FILE or (path.name.startswith(".") and path.name.endswith(TEMPORARY_SUFFIX))


class Cache:
    """A cache on disk, read and grown shard by shard."""

    def __init__(self, folder: Path, description: Mapping[str, Any], mirror: Mirror | None = None) -> None:
        """Take what the folder holds; with a ``mirror``, of what lies in an object store."""
        self.folder, self.mirror = folder, mirror
        self.description = dict(description)
        features = description.get("features")
        self.identity = (
            None if features is None else parse_config(FeatureIdentity, features, str(folder / CACHE_FILE))
        )
        """How its features were made; None while it holds motions only."""
        self._readers: dict[tuple[str, str], CheckedShardReader] = {}

    @classmethod
    def open(cls, folder: Path, mirror: Mirror | None = None) -> "Cache":
        """Open an existing cache; that of a ``mirror`` as it is in the store now.

        Raises:
            InputError: no cache there. ManifestError: made by another version, or damaged.
        """
        if mirror is not None:
            take_over(folder, mirror)
        make = f"hero-pipeline extract SOURCE {folder}"
        if not (folder / CACHE_FILE).is_file():
            if (folder / "extract.json").is_file():
                raise ManifestError(
                    f"{folder}: a feature cache of an earlier version, which this program does not read; "
                    "make it anew in another folder: hero-pipeline extract SOURCE OTHER_FOLDER"
                )
            raise InputError(f"{folder}: no cache here ({CACHE_FILE}); make one with: {make}")
        description = read_json(folder / CACHE_FILE)
        if description.get("schema") != SCHEMA:
            raise ManifestError(
                f"{folder}: cache of version {description.get('schema')!r}, this program reads {SCHEMA!r}; "
                "make it anew in another folder: hero-pipeline extract SOURCE OTHER_FOLDER"
            )
        require_unbroken(folder / CACHE_FILE, seal_of_file(folder / CACHE_FILE), mending(folder))
        return cls(folder, description, mirror)

    @classmethod
    def resumable(cls, folder: Path, identity: FeatureIdentity | None) -> FeatureIdentity | None:
        """The identity of the features that a folder holds already; None where it holds none. Nothing is written.

        Raises:
            FingerprintError: the folder holds features of another identity; says in what they differ.
            InputError: the folder holds something else.
        """
        if (folder / CACHE_FILE).is_file() or (folder / "extract.json").is_file():
            kept = cls.open(folder).identity
            if kept and identity and (wrong := differences(kept, identity)):
                raise FingerprintError(
                    f"{folder}: its features were made in another way ({'; '.join(wrong)}); "
                    "extract into another folder, or with the settings of this one"
                )
            return kept
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: not a folder; name another output folder")
        if folder.exists() and any(not _is_of_a_beginning(path) for path in folder.iterdir()):
            raise InputError(f"{folder}: not empty and not a cache; name another output folder")
        return None

    @classmethod
    def create_or_resume(
        cls,
        folder: Path,
        identity: FeatureIdentity | None,
        source: Mapping[str, Any],
        mirror: Mirror | None = None,
    ) -> "Cache":
        """Begin a cache, or go on with one whose features are of the same identity.

        Args:
            folder: where it is, or will be.
            identity: of the features to come; None to add motions only.
            source: what it is made of, for the record.
            mirror: of the folder, if it is to live in an object store; what is there counts.

        Raises as :meth:`resumable`.
        """
        if mirror is not None:
            take_over(folder, mirror)
        kept = cls.resumable(folder, identity)
        for name in ("", "shards", "manifest"):
            remove_partial_files(folder / name)
        cache = cls.of(folder, identity or kept, source, mirror)
        if kept is None:
            cache._require_its_own_features()
        cache.write_description()
        return cache

    @classmethod
    def of(
        cls,
        folder: Path,
        identity: FeatureIdentity | None,
        source: Mapping[str, Any],
        mirror: Mirror | None = None,
    ) -> "Cache":
        """A cache of this description; nothing is read or written."""
        features = None if identity is None else identity.model_dump(mode="json")
        return cls(folder, {"schema": SCHEMA, "features": features, "source": dict(source)}, mirror)

    def write_description(self) -> None:
        """Write ``cache.json``."""
        write_sealed_json(self.folder / CACHE_FILE, self.description)
        self.send(self.folder / CACHE_FILE)

    def _require_its_own_features(self) -> None:
        """Refuse an identity that is not that of the rows, where no ``cache.json`` said so (:mod:`pipeline.repair`)."""
        found = {str(each) for each in self.newest("features", ("key", "made_by"))["made_by"].to_pylist()}
        if self.identity is not None and (others := found - {self.identity.id}):
            raise FingerprintError(
                f"{self.folder}: holds features made in another way ({', '.join(sorted(others))}, not "
                f"{self.identity.id}); extract into another folder, or with the settings of this one"
            )

    @property
    def plan_path(self) -> Path:
        """Where it says which inputs go into which shard."""
        return self.folder / PLAN_FILE

    @property
    def quarantine_path(self) -> Path:
        """Where people read what is not ok."""
        return self.folder / "quarantine.csv"

    def shard_path(self, name: str) -> Path:
        """Where a shard lies."""
        return self.folder / "shards" / name

    def part_path(self, kind: Kind, number: int) -> Path:
        """Where the rows of a shard lie."""
        return self.folder / "manifest" / f"{kind}-{number:05d}.parquet"

    def parts(self, kind: Kind) -> list[Path]:
        """Parts of the manifest in the order of writing."""
        found = (self.folder / "manifest").glob(f"{kind}-*.parquet")
        return sorted((part for part in found if _number(part).isdigit()), key=part_number)

    def numbers(self, kind: Kind) -> set[int]:
        """Numbers of the parts of the manifest."""
        return {part_number(part) for part in self.parts(kind)}

    def next_part(self, kind: Kind) -> int:
        """Number of the next shard."""
        return max(self.numbers(kind), default=-1) + 1

    def newest(self, kind: Kind, columns: Sequence[str] | None = None) -> pa.Table:
        """The newest row of every input of a kind, column by column; with ``columns`` only those, ``key`` among them.

        Rows stand in the order in which their inputs first came.

        Raises:
            ManifestError: a part is damaged.
        """
        tables = [read_columns(part, CACHE, columns) for part in self.parts(kind)]
        empty = CACHE.empty_table() if columns is None else CACHE.empty_table().select(list(columns))
        return newest_rows(pa.concat_tables([empty, *tables]))

    def rows(self, kind: Kind, columns: Sequence[str] | None = None) -> dict[str, Row]:
        """As :meth:`newest`, row by row, by key; takes much more memory."""
        return {row["key"]: row for row in self.newest(kind, columns).to_pylist()}

    def provenances(self, found: Iterable[str | None] | None = None) -> list[FeatureProvenance]:
        """Where its features were made, each way once; of what rows say, where that was ``found`` already.

        Raises:
            ManifestError: a part is damaged.
        """
        if found is None:
            found = pc.unique(self.newest("features", ("key", "provenance"))["provenance"]).to_pylist()
        manifest = str(self.folder / "manifest")
        try:
            provenances = [json.loads(text) for text in sorted(text for text in found if text is not None)]
        except json.JSONDecodeError as error:
            raise ManifestError(
                f"{manifest}: damaged, a provenance is not JSON: {error}; {mending(self.folder)}"
            ) from None
        return [parse_config(FeatureProvenance, values, manifest) for values in provenances]

    def write_part(self, kind: Kind, number: int, rows: Sequence[Row]) -> None:
        """Commit the rows of one shard; from now on its inputs count as done.

        In an object store the shard is there first; its copy here goes.
        """
        path = self.part_path(kind, number)
        write_table(path, CACHE, rows)
        self._send_part(path, rows)

    def copy_part(self, part: Path, rows: Sequence[Row]) -> None:
        """As :meth:`write_part`, of a part of another cache, which keeps its number and its bytes."""
        path = self.folder / "manifest" / part.name
        with atomic_path(path) as temporary:
            shutil.copyfile(part, temporary)
        self._send_part(path, rows)

    def _send_part(self, path: Path, rows: Sequence[Row]) -> None:
        if self.mirror is not None:
            for shard in own_shards(path, rows):
                self.mirror.push(self.shard_path(shard), keep=False)
            self.mirror.push(path)

    def write_quarantine(self) -> None:
        """List what is not ok in ``quarantine.csv``."""
        columns = ("key", "path", "status", "stage", "reason")
        write_not_ok(self.quarantine_path, (self.newest(kind, columns) for kind in KINDS))
        self.send(self.quarantine_path)

    def features(self, row: Mapping[str, Any]) -> FeatureRecord:
        """The features that a row points to.

        Raises:
            FingerprintError: the row's key is not that of its content. ShardError: the shard is missing or damaged.
        """
        arrays = self._arrays(row)
        seconds = np.asarray(arrays["timestamps_seconds"], np.float64)
        return FeatureRecord(arrays["frames"], arrays["global"], seconds)

    def motion(self, row: Mapping[str, Any]) -> MotionRecord:
        """The motion that a row points to; raises as :meth:`features`."""
        return MotionRecord(self._arrays(row)["motion"])

    def _arrays(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        if row["record"] != record_key(row["sha256"], row["made_by"]):
            raise FingerprintError(
                f"{self.folder}: the row of {row['path']} points to a record of another file or another way of "
                "making it; the manifest was edited or mixed. Make the cache anew in another folder"
            )
        return self.reader(row["shard"], row["shard_sha256"])[row["record"]].arrays

    def reader(self, shard: str, sha256: str) -> CheckedShardReader:
        """A shard that rows with this ``shard_sha256`` point into; nothing is opened before the first read."""
        path = self.fetched_shard(shard)
        if self.mirror is not None:
            self._readers = {
                key: each for key, each in self._readers.items() if self.shard_path(key[0]).exists()
            }
        if (shard, sha256) not in self._readers:
            self._readers[shard, sha256] = CheckedShardReader(path, sha256, mending(self.folder))
        return self._readers[shard, sha256]

    def fetched_shard(self, name: str) -> Path:
        """Where a shard lies, after it was fetched from the object store if the cache lives there."""
        path = self.shard_path(name)
        if self.mirror is not None:
            self.mirror.fetch(path)
        return path

    def send(self, path: Path) -> None:
        """Send a finished file of the folder to the object store, if there is one."""
        if self.mirror is not None:
            self.mirror.push(path)


def take_over(folder: Path, mirror: Mirror) -> None:
    """Make of the folder what the store holds, but for shards, which are fetched when they are read."""
    shutil.rmtree(folder / "shards", ignore_errors=True)
    mirror.pull("manifest")
    stored = mirror.store.names("")
    for name in (CACHE_FILE, PLAN_FILE):
        if name in stored:
            mirror.store.get(name, folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
