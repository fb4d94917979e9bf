"""The plan of a cache: which inputs go into which shard. It is there before the first of its shards is.

A shard is a function of its planned inputs, of their files, and of what is older than the plan
(:mod:`pipeline.earlier`), but of no other shard of the plan. So it has the same bytes whichever process makes it, and
after whatever kill. A cache has one plan for each kind; the next one is made when all shards of the last are there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hero_core.cache import KINDS, Cache, Kind
from hero_core.manifest import PLAN, read_table, write_table


@dataclass(frozen=True, slots=True)
class PlannedShard:
    """Keys of the inputs of one shard, in order; its part of the manifest has the same number."""

    number: int
    keys: tuple[str, ...]


Plan = Mapping[Kind, Sequence[PlannedShard]]


def planned(keys: Sequence[str], per_shard: int, first: int) -> list[PlannedShard]:
    """Inputs in their order, ``per_shard`` a shard and what is left in the last; numbered from ``first``."""
    starts = range(0, len(keys), per_shard)
    return [
        PlannedShard(number, tuple(keys[start : start + per_shard]))
        for number, start in enumerate(starts, first)
    ]


def read_plan(cache: Cache) -> dict[Kind, list[PlannedShard]]:
    """The plan of each kind; empty in a cache of an earlier version.

    Raises:
        ManifestError: it is damaged.
    """
    plan: dict[Kind, list[PlannedShard]] = {kind: [] for kind in KINDS}
    if cache.plan_path.is_file():
        for row in read_table(cache.plan_path, PLAN):
            plan[row["kind"]].append(PlannedShard(row["number"], tuple(row["keys"])))
    return plan


def write_plan(cache: Cache, plan: Plan) -> None:
    """Write the plan; the same one gives the same bytes."""
    rows = [
        {"kind": kind, "number": shard.number, "keys": list(shard.keys)}
        for kind in KINDS
        for shard in plan.get(kind, ())
    ]
    write_table(cache.plan_path, PLAN, rows)
    cache.send(cache.plan_path)
