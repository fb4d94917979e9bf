"""What a run is to do: finish the plan that a cache has, and then plan and do what is new or changed since."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from hero_core.cache import Cache
from hero_core.errors import InputError
from pipeline.config import ExtractConfig
from pipeline.earlier import Earlier
from pipeline.engines.work import Recipe
from pipeline.plan import PlannedShard, planned, read_plan
from pipeline.selection import Part
from pipeline.workers import Input


@dataclass(frozen=True)
class Agenda:
    """What is to be done of one kind. All inputs are ``kept + todo + elsewhere + postponed``.

    Attributes:
        earlier: what the cache knows as it is.
        resumed: shards of the cache's plan that this run makes. resumed_first: number of that plan's first shard.
        fresh: shards of the plan that comes next, also those that this run does not make.
        kept: inputs with a row that settles them. kept_quarantined: those of them that are in quarantine.
        todo: inputs of the shards that this run makes.
        elsewhere: inputs of the shards that it does not make.
        postponed: inputs that are new or changed, and wait until the whole plan is done.
    """

    earlier: Earlier
    resumed: Sequence[PlannedShard]
    resumed_first: int
    fresh: Sequence[PlannedShard]
    kept: int
    kept_quarantined: int
    todo: int
    elsewhere: int
    postponed: int


def agenda(recipe: Recipe, cache: Cache | None, config: ExtractConfig, part: Part | None) -> Agenda:
    """What a run is to do of one kind.

    Args:
        recipe: of all inputs of the source.
        cache: as it is; None where there is none yet.
        config: how.
        part: which shards the run makes; None for all.

    Raises:
        InputError: of a plan that others share, the source no longer lists all inputs.
        ManifestError: the cache's manifest is damaged.
    """
    plan = read_plan(cache)[recipe.kind] if cache else []
    there = cache.numbers(recipe.kind) if cache else set()
    waiting = [shard for shard in plan if shard.number not in there]
    if gone := _gone(recipe.inputs, waiting):
        if part is not None:
            raise InputError(_refusal(cache, gone))
        waiting = []  # what is left of them is planned anew
    is_planned = _keys(waiting)
    others = [item for item in recipe.inputs if item.key not in is_planned]
    made = _keys(shard for shard in plan if shard.number in there) if waiting else frozenset()
    earlier = Earlier.read(cache.parts(recipe.kind) if cache else [])
    settled = _settled(others, earlier, config, made)
    kept = earlier.places([item for item, is_settled in zip(others, settled, strict=True) if is_settled])
    new = [item.key for item, is_settled in zip(others, settled, strict=True) if not is_settled]
    resumed = of_part(part, waiting)
    is_whole = len(resumed) == len(waiting)
    first = max((*there, *(shard.number for shard in waiting)), default=-1) + 1
    fresh = planned(new, recipe.per_shard, first) if is_whole else []
    return Agenda(
        earlier=earlier,
        resumed=resumed,
        resumed_first=plan[0].number if plan else 0,
        fresh=fresh,
        kept=len(kept),
        kept_quarantined=int((~earlier.is_ok(kept)).sum()),
        todo=_inputs(resumed) + _inputs(of_part(part, fresh)),
        elsewhere=len(is_planned) - _inputs(resumed) + _inputs(fresh) - _inputs(of_part(part, fresh)),
        postponed=0 if is_whole else len(new),
    )


def of_part(part: Part | None, shards: Sequence[PlannedShard]) -> list[PlannedShard]:
    """Those shards that a part makes; all where there are no parts."""
    return [shard for shard in shards if part is None or part.holds(shard.number)]


def _gone(inputs: Sequence[Input], waiting: Sequence[PlannedShard]) -> list[str]:
    """Keys of planned inputs that the source lists no longer."""
    if not waiting:
        return []
    listed = {item.key for item in inputs}
    return [key for shard in waiting for key in shard.keys if key not in listed]


def _refusal(cache: Cache | None, gone: Sequence[str]) -> str:
    assert cache is not None
    return (
        f"{cache.folder}: the source no longer lists {len(gone)} inputs of the plan that --shard shares out, e.g. "
        f"{gone[0]}; let it list them again, or merge the parts and extract the rest without --shard"
    )


def _keys(shards: Iterable[PlannedShard]) -> frozenset[str]:
    return frozenset(chain.from_iterable(shard.keys for shard in shards))


def _settled(
    inputs: Sequence[Input], earlier: Earlier, config: ExtractConfig, made: frozenset[str]
) -> list[bool]:
    """Whether each input is settled; what the run that is gone on with ``made`` is not made again for its own sake."""
    is_made = np.array([item.key in made for item in inputs], bool)  # (n,)
    settled = np.zeros(len(inputs), bool)
    again = {"retry": config.retry_quarantined, "rehash": config.rehash, "unread": False}
    for which, rules in ((is_made, {"retry": False, "rehash": False, "unread": True}), (~is_made, again)):
        settled[which] = earlier.settled([inputs[index] for index in np.flatnonzero(which).tolist()], **rules)
    found: list[bool] = settled.tolist()
    return found


def _inputs(shards: Sequence[PlannedShard]) -> int:
    return sum(len(shard.keys) for shard in shards)
