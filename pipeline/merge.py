"""Several caches become one: those that machines made which shared the work, say.

Shards are copied as they are and numbered anew. What is in the output already is left alone, so that a merge can be
killed and run again, and again after some of the caches have grown.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hero_core.cache import KINDS, Cache, Kind, Row
from hero_core.errors import FingerprintError, InputError, ShardError
from hero_core.fingerprint import FeatureIdentity, differences
from hero_core.lock import LOCK_FILE, only_writer
from hero_core.manifest import CACHE, read_table
from hero_core.progress import Progress, silent
from hero_core.storage import atomic_path, sha256_of_file

_PLACE = ("shard", "shard_sha256")  # in a row, what another cache may call otherwise


@dataclass
class MergeReport:
    """What a merge did.

    Attributes:
        rows: that the output did not have yet.
        kept: that it had.
        shards: that were copied.
        notes: for people.
    """

    rows: int = 0
    kept: int = 0
    shards: int = 0
    notes: tuple[str, ...] = ()


def merge(folders: Sequence[Path], out: Path, report: Progress = silent) -> MergeReport:
    """Add caches to the cache ``out``, new or to go on with. Of one input's rows, the last cache's counts.

    Raises:
        FingerprintError: their features were made in different ways; says in what they differ.
        InputError: a folder is not a cache, or is ``out`` itself.
        ManifestError, ShardError: one is damaged.
        OutputError: another process writes to ``out``, or it cannot be written.
    """
    if any(folder.resolve() == out.resolve() for folder in folders):
        raise InputError(f"{out}: cannot be merged into itself; name another output folder first")
    caches = [Cache.open(folder) for folder in folders]
    with only_writer(out, out / LOCK_FILE) as remark:
        done = MergeReport(notes=(remark,) if remark else ())
        merged = Cache.create_or_resume(out, _identity(caches), caches[0].description["source"])
        parts = [(cache, kind, part) for cache in caches for kind in KINDS for part in cache.parts(kind)]
        copies = {kind: _Copies(merged, kind, caches) for kind in KINDS}
        for number, (cache, kind, part) in enumerate(parts, 1):
            copies[kind].add(cache, read_table(part, CACHE), done)
            report(number, len(parts), f"{done.rows} rows")
        merged.write_quarantine()
    return done


def _identity(caches: Sequence[Cache]) -> FeatureIdentity | None:
    first: Cache | None = None
    for cache in caches:
        if first is None or first.identity is None:
            first = cache
        elif cache.identity is not None and (wrong := differences(first.identity, cache.identity)):
            raise FingerprintError(
                f"{cache.folder}: its features were made in another way than those of {first.folder} "
                f"({'; '.join(wrong)})"
            )
    return first.identity if first else None


class _Copies:
    """Rows and shards of one kind in the merged cache."""

    def __init__(self, merged: Cache, kind: Kind, caches: Sequence[Cache]) -> None:
        self._merged, self._kind = merged, kind
        self._rows = merged.rows(kind)
        self._counting = {key: (cache, row) for cache in caches for key, row in cache.rows(kind).items()}
        """Of every input the row that counts, and whose it is; older ones are not even copied."""
        self._shards = {row["shard_sha256"]: row["shard"] for row in self._rows.values() if row["shard"]}

    def add(self, cache: Cache, rows: Sequence[Row], done: MergeReport) -> None:
        """Add what is new in a part of a cache's manifest, and the shards that it points into."""
        counting = [row for row in rows if self._counting[row["key"]] == (cache, row)]
        new = [row for row in counting if not self._is_there(row)]
        done.rows, done.kept = done.rows + len(new), done.kept + len(counting) - len(new)
        groups: dict[
            str | None, list[Row]
        ] = {}  # nearly always one: rows and their shard are written together
        for row in new:
            groups.setdefault(row["shard_sha256"], []).append(row)
        for sha256, group in groups.items():
            number = self._merged.next_part(self._kind)
            if sha256 is not None and sha256 not in self._shards:
                source = cache.shard_path(group[0]["shard"])
                self._shards[sha256] = f"{self._kind}-{number:05d}{source.suffix}"
                self._copy(source, sha256)
                done.shards += 1
            moved = [row | {"shard": self._shards[sha256] if sha256 else None} for row in group]
            self._merged.write_part(self._kind, number, moved)
            self._rows |= {row["key"]: row for row in moved}

    def _is_there(self, row: Row) -> bool:
        known = self._rows.get(row["key"])
        return known is not None and all(known[name] == row[name] for name in row if name not in _PLACE)

    def _copy(self, source: Path, sha256: str) -> None:
        with atomic_path(self._merged.shard_path(self._shards[sha256])) as temporary:
            if not source.is_file():
                raise ShardError(f"{source}: missing; hero-pipeline repair {source.parent.parent} mends it")
            shutil.copyfile(source, temporary)
            if sha256_of_file(temporary) != sha256:
                raise ShardError(f"{source}: damaged; hero-pipeline repair {source.parent.parent} mends it")
