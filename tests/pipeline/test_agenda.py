"""A run finishes the plan that is there, and then plans what is new; a part makes its shards only."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from hero_core.cache import OK, QUARANTINED, Cache
from hero_core.errors import InputError
from pipeline.agenda import Agenda, agenda
from pipeline.config import ExtractConfig
from pipeline.engines.work import Recipe
from pipeline.plan import PlannedShard, planned, read_plan, write_plan
from pipeline.selection import Part
from pipeline.workers import Input, Outcome

CONFIG = ExtractConfig(workers=1)


class Made:
    """A cache that is made without reading anything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.cache = Cache.create_or_resume(folder / "cache", None, {})

    def recipe(self, count: int) -> Recipe:
        """Of so many files, two a shard."""
        return Recipe(
            kind="motions",
            inputs=[self.input(index) for index in range(count)],
            stage="motion",
            awaited="",
            read=Outcome,
            finish=lambda outcomes: iter(()),
            finishing="",
            encodes_on=None,
            batch=1,
            per_shard=2,
            provenance=None,
        )

    def input(self, index: int) -> Input:
        path = self.folder / f"{index}.npy"
        if not path.exists():
            path.touch()
        return Input(f"k{index}", path, path.name, "m")

    def plan(self, count: int) -> None:
        """All of so many inputs, from the start."""
        write_plan(self.cache, {"motions": planned([f"k{index}" for index in range(count)], 2, 0)})

    def make(self, *numbers: int, status: str = OK) -> None:
        """Rows of these shards of the plan."""
        for number in numbers:
            shard = next(each for each in read_plan(self.cache)["motions"] if each.number == number)
            self.cache.write_part("motions", number, [self.row(key, status) for key in shard.keys])

    def row(self, key: str, status: str) -> dict[str, object]:
        found = self.input(int(key[1:])).path.stat()
        row = {"key": key, "kind": "motions", "path": f"{key[1:]}.npy", "status": status, "warnings": []}
        return row | {"made_by": "m", "sha256": key, "bytes": found.st_size, "modified_ns": found.st_mtime_ns}

    def agenda(self, count: int, part: Part | None = None, **config: bool) -> Agenda:
        return agenda(self.recipe(count), self.cache, CONFIG.model_copy(update=config), part)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "made")


def numbers(shards: Sequence[PlannedShard]) -> list[int]:
    return [shard.number for shard in shards]


def counts(its: Agenda) -> tuple[int, ...]:
    return its.kept, its.todo, its.elsewhere, its.postponed


def test_what_is_new_is_planned(made: Made) -> None:
    its = made.agenda(5)
    assert (its.resumed, numbers(its.fresh), counts(its)) == ([], [0, 1, 2], (0, 5, 0, 0))
    assert agenda(made.recipe(5), None, CONFIG, None).fresh == its.fresh  # nor does it need a cache
    made.plan(5)
    made.make(0, 1, 2)
    its = made.agenda(8)
    assert (its.resumed, its.fresh, counts(its)) == ([], planned(["k5", "k6", "k7"], 2, 3), (5, 3, 0, 0))


def test_a_part_plans_all_and_makes_its_own(made: Made) -> None:
    its = made.agenda(5, Part(1, 2))
    assert (numbers(its.fresh), counts(its)) == ([0, 1, 2], (0, 3, 2, 0))
    assert counts(made.agenda(5, Part(2, 2))) == (0, 2, 3, 0)


def test_a_plan_is_finished_before_anything_is_planned(made: Made) -> None:
    made.plan(5)
    made.make(1)
    its = made.agenda(7)
    assert (numbers(its.resumed), its.resumed_first, numbers(its.fresh)) == ([0, 2], 0, [3])
    assert counts(its) == (2, 5, 0, 0)
    its = made.agenda(7, Part(1, 2))  # all that is left
    assert (numbers(its.resumed), numbers(its.fresh), counts(its)) == ([0, 2], [3], (2, 3, 2, 0))
    its = made.agenda(7, Part(2, 2))  # the rest is made elsewhere
    assert (its.resumed, its.fresh, counts(its)) == ([], [], (2, 0, 3, 2))


def test_what_a_run_that_is_gone_on_with_made_is_made_once(made: Made) -> None:
    made.plan(4)
    made.make(0, status=QUARANTINED)
    for again in ({}, {"retry_quarantined": True}, {"rehash": True}):
        assert counts(made.agenda(4, **again)) == (2, 2, 0, 0)
    made.make(1)
    assert counts(made.agenda(4)) == (4, 0, 0, 0)
    assert counts(made.agenda(4, retry_quarantined=True)) == (2, 2, 0, 0)
    assert counts(made.agenda(4, rehash=True)) == (0, 4, 0, 0)
    assert made.agenda(4).kept_quarantined == 2


def test_where_planned_inputs_are_gone_the_rest_is_planned_anew_but_never_for_a_part(made: Made) -> None:
    made.plan(6)
    made.make(0)
    its = made.agenda(5)
    assert (its.resumed, its.fresh) == ([], planned(["k2", "k3", "k4"], 2, 1))
    assert counts(its) == (2, 3, 0, 0)
    with pytest.raises(
        InputError, match="no longer lists 1 inputs of the plan that --shard shares out, e.g. k5"
    ):
        made.agenda(5, Part(1, 2))
