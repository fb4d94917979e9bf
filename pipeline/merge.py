"""Several caches become one: those that machines made which shared the work, say.

Parts of one plan, as ``extract --shard`` makes them, and older states of them are copied file by file, and become the
cache of the machine that does all of the plan. Shards of other caches are numbered anew. What is in the output already
is left alone, so that a merge can be killed and run again, and again after some of the caches have grown.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from hero_core.cache import KINDS, Cache, Kind, Row, own_shards
from hero_core.errors import FingerprintError, HeroError, InputError, ShardError
from hero_core.fingerprint import FeatureIdentity, differences
from hero_core.lock import LOCK_FILE, only_writer
from hero_core.manifest import CACHE, read_table
from hero_core.mirror import Place
from hero_core.progress import Progress, silent
from hero_core.storage import atomic_path, sha256_of_file
from pipeline.plan import Plan, read_plan, write_plan

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
    notes: list[str] = field(default_factory=list)


def merge(places: Sequence[Place], out: Place, report: Progress = silent) -> MergeReport:
    """Add caches to the cache ``out``, new or to go on with. Of one input's rows, the last cache's counts.

    Raises:
        FingerprintError: their features were made in different ways; says in what they differ.
        InputError: a folder is not a cache, or is ``out`` itself.
        ManifestError, ShardError: one is damaged.
        OutputError: another process writes to ``out``, or it cannot be written.
    """
    if any(place.folder.resolve() == out.folder.resolve() for place in places):
        raise InputError(f"{out.folder}: cannot be merged into itself; name another output folder first")
    caches = [Cache.open(*place) for place in places]
    with only_writer(out.folder, out.folder / LOCK_FILE) as remark:
        done = MergeReport(notes=[remark] if remark else [])
        source = caches[0].description["source"]
        merged = Cache.create_or_resume(out.folder, _identity(caches), source, out.mirror)
        plan = _shared_plan([*caches, merged])
        if plan is not None:
            _join(caches, merged, plan, done, report)
        else:
            _number_anew(caches, merged, done, report)
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


def _shared_plan(caches: Sequence[Cache]) -> Plan | None:
    """The plan of which all of them are parts or older states, so that files can keep their names; None without one."""
    states = [(read_plan(each), _digests(each)) for each in caches]
    return next((plan for plan, _ in states if any(plan.values()) and _is_of_all(plan, states)), None)


def _is_of_all(plan: Plan, states: Sequence[tuple[Plan, Mapping[str, str]]]) -> bool:
    """Whether caches with this plan hold no part with different rows, and those without it nothing but such parts."""
    known: dict[str, str] = {}
    for name, digest in chain.from_iterable(digests.items() for its, digests in states if its == plan):
        if known.setdefault(name, digest) != digest:
            return False
    return all(digests.items() <= known.items() for its, digests in states if its != plan)


def _digests(cache: Cache) -> Mapping[str, str]:
    """Of the bytes of every part of a cache's manifest, by its name."""
    return {part.name: sha256_of_file(part) for kind in KINDS for part in cache.parts(kind)}


def _join(caches: Sequence[Cache], merged: Cache, plan: Plan, done: MergeReport, report: Progress) -> None:
    """Copy what is not there yet of the plan that all share."""
    write_plan(merged, plan)
    parts: dict[str, list[tuple[Cache, Path]]] = {}  # by name, alike in all caches that have it
    for cache in caches:
        for part in chain.from_iterable(map(cache.parts, KINDS)):
            parts.setdefault(part.name, []).append((cache, part))
    there = {part.name for kind in KINDS for part in merged.parts(kind)}
    for number, (name, copies) in enumerate(sorted(parts.items()), 1):
        part = copies[0][1]
        rows = read_table(part, CACHE)
        if name in there:
            done.kept += len(rows)
        else:
            for shard in own_shards(part, rows):
                places = [(cache, shard) for cache, _ in copies]
                _copy_shard(places, _sha256_of(shard, rows), merged.shard_path(shard))
                done.shards += 1
            merged.copy_part(part, rows)
            done.rows += len(rows)
        report(number, len(parts), f"{done.rows} rows")
    missing = sum(shard.number not in merged.numbers(kind) for kind in KINDS for shard in plan[kind])
    if missing:
        done.notes.append(
            f"{missing} shards of the plan are in none of these caches; merge the other parts too, or make them with "
            f"hero-pipeline extract SOURCE {merged.folder}"
        )


def _sha256_of(shard: str, rows: Sequence[Row]) -> str:
    return next(str(row["shard_sha256"]) for row in rows if row["shard"] == shard)


def _copy_shard(places: Sequence[tuple[Cache, str]], sha256: str, to: Path) -> None:
    """Copy a shard from the first place that has it: a cache that began with rows of another lacks their shards.

    Raises:
        ShardError, InputError: none has it; says what is wrong in the first place.
    """
    errors: list[HeroError] = []
    for cache, name in places:
        try:
            _copy_from(cache, name, sha256, to)
            return
        except (ShardError, InputError) as error:
            errors.append(error)
    raise errors[0]


def _copy_from(cache: Cache, name: str, sha256: str, to: Path) -> None:
    source = cache.fetched_shard(name)
    with atomic_path(to) as temporary:
        if not source.is_file():
            raise ShardError(
                f"{source}: missing; merge the cache that has it, too. If it is lost, hero-pipeline repair "
                f"{cache.folder} drops the rows that point into it"
            )
        shutil.copyfile(source, temporary)
        if sha256_of_file(temporary) != sha256:
            raise ShardError(f"{source}: damaged; hero-pipeline repair {cache.folder} mends it")


def _number_anew(caches: Sequence[Cache], merged: Cache, done: MergeReport, report: Progress) -> None:
    """Copy what is not there yet of caches that were planned apart."""
    done.notes.append(
        "these caches are not parts of one plan: records are the same, but shards are numbered anew"
    )
    parts = [(cache, kind, part) for cache in caches for kind in KINDS for part in cache.parts(kind)]
    copies = {kind: _Copies(merged, kind, caches) for kind in KINDS}  # which finds damage in the rows of any
    write_plan(merged, {})  # what it had left to do is planned anew by the next extract
    for number, (cache, kind, part) in enumerate(parts, 1):
        copies[kind].add(cache, read_table(part, CACHE), done)
        report(number, len(parts), f"{done.rows} rows")


class _Copies:
    """Rows and shards of one kind in the merged cache."""

    def __init__(self, merged: Cache, kind: Kind, caches: Sequence[Cache]) -> None:
        self._merged, self._kind = merged, kind
        self._rows = merged.rows(kind)
        self._counting: dict[str, tuple[Cache, Row]] = {}
        """Of every input the row that counts, and whose it is; older ones are not even copied."""
        self._places: dict[str, dict[tuple[Cache, str], None]] = {}
        """Of every shard, by its SHA-256, which caches name it, and how; in their order."""
        for cache in caches:
            for key, row in cache.rows(kind).items():
                self._counting[key] = (cache, row)
                if row["shard"]:
                    self._places.setdefault(row["shard_sha256"], {})[cache, row["shard"]] = None
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
                shard = group[0]["shard"]
                self._shards[sha256] = f"{self._kind}-{number:05d}{Path(shard).suffix}"
                to = self._merged.shard_path(self._shards[sha256])
                _copy_shard(list(self._places[sha256]), sha256, to)
                done.shards += 1
            moved = [row | {"shard": self._shards[sha256] if sha256 else None} for row in group]
            self._merged.write_part(self._kind, number, moved)
            self._rows |= {row["key"]: row for row in moved}

    def _is_there(self, row: Row) -> bool:
        known = self._rows.get(row["key"])
        return known is not None and all(known[name] == row[name] for name in row if name not in _PLACE)
