"""What engines do: read the inputs of one kind and make records of them, batch by batch, in order.

An engine decides where that happens and nothing else, so that all of them give the same bytes. Kept free of torch:
whoever only reads inputs should start at once.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hero_core.records import FeatureRecord, MotionRecord
from pipeline.engines.lending import lending
from pipeline.engines.local import Broken, ItemLimits, ordered_map
from pipeline.sources.stored import StoredFolder
from pipeline.workers import Input, Outcome, broken

if TYPE_CHECKING:  # this one imports torch
    from hero_core.cache import Kind

Finished = tuple[Outcome, FeatureRecord | MotionRecord | None]
"""What became of an input, and its record if there is a new one."""


@dataclass(frozen=True)
class Recipe:
    """How the inputs of one kind become records.

    Attributes:
        inputs: every one of the source.
        read: what worker processes do with one.
        stage: what that is called where an input breaks its process.
        awaited: and what is waited for meanwhile.
        finish: makes records of a batch of what they brought back; an outcome without content gives None.
        finishing: what the time for that is called.
        encodes_on: kind of device, as torch names it, that ``finish`` needs for long; None where it takes no time.
        batch: how many outcomes ``finish`` takes.
        per_shard: how many inputs a shard is planned for.
        provenance: of the records, as JSON; None where nothing but the file and ``made_by`` decides them.
        stored: where the inputs' files are fetched from; None where they lie here.
    """

    kind: "Kind"
    inputs: Sequence[Input]
    read: Callable[[Input], Outcome]
    stage: str
    awaited: str
    finish: Callable[[Sequence[Outcome]], Iterator[Finished]]
    finishing: str
    encodes_on: str | None
    batch: int
    per_shard: int
    provenance: str | None
    stored: StoredFolder | None = None


@dataclass(frozen=True)
class Work:
    """What is to be done of one kind.

    Attributes:
        recipe: how.
        batches: of the inputs that have no row yet; each is finished together.
        workers: processes of this machine that may read.
        limits: of what one input may cost.
        is_made: whether there is a record of an outcome's content already, now; for this process alone.
        timed: counts the time inside to a stage; likewise.
    """

    recipe: Recipe
    batches: Sequence[Sequence[Input]]
    workers: int
    limits: ItemLimits
    is_made: Callable[[Outcome], bool]
    timed: Callable[[str], AbstractContextManager[None]]


Engine = Callable[[Work], Generator[Finished, None, None]]
"""Gives what became of every input, in the order of the batches; closed, it ends all that it started.

A record may be given although its content is made already; whoever takes it throws it away.
"""


def local(work: Work) -> Generator[Finished, None, None]:
    """The engine of one machine: processes that read, this one that encodes. What is made is not made again."""
    recipe = work.recipe
    items = [item for batch in work.batches for item in batch]
    with closing(
        outcomes(recipe.read, recipe.stage, items, work.workers, work.limits, recipe.stored)
    ) as read:
        for batch in work.batches:
            with work.timed(f"waiting for {recipe.awaited}"):
                found = [next(read) for _ in batch]
            needed = [replace(one, content=None) if work.is_made(one) else one for one in found]
            with work.timed(recipe.finishing):
                finished = list(recipe.finish(needed))
            yield from finished


def outcomes(
    read: Callable[[Input], Outcome],
    stage: str,
    items: Sequence[Input],
    workers: int,
    limits: ItemLimits,
    stored: StoredFolder | None = None,
) -> Generator[Outcome, None, None]:
    """Read inputs in processes of this machine; one that breaks its process is an outcome of ``stage``."""
    with (
        lending(stored, items) as lend,
        closing(ordered_map(read, items, workers, limits, lend)) as results,
    ):
        for item, result in zip(items, results, strict=True):
            found = broken(item, stage, result.reason) if isinstance(result, Broken) else result
            yield replace(found, input=item)  # not what a process that reads files says it was given
