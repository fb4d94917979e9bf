"""Work in processes: in order, bounded ahead, in this process where one worker is asked for."""

import os
from functools import partial

import pytest

from hero_core.errors import HeroError
from pipeline.engines.local import ITEMS_AHEAD_PER_WORKER, ordered_map


def double(number: int) -> tuple[int, int]:
    return 2 * number, os.getpid()


def die(number: int) -> int:
    os._exit(number)


def test_one_worker_is_this_process() -> None:
    assert list(ordered_map(double, [3, 4], 1)) == [(6, os.getpid()), (8, os.getpid())]


def test_several_workers_keep_the_order() -> None:
    results = list(ordered_map(partial(double), range(40), 2))
    assert [value for value, _ in results] == [2 * number for number in range(40)]
    assert os.getpid() not in {process for _, process in results}


def test_items_are_taken_a_bounded_number_ahead() -> None:
    taken = []

    class Watched(list):  # type: ignore[type-arg]
        def __iter__(self):  # type: ignore[no-untyped-def]
            for item in range(1000):
                taken.append(item)
                yield item

    results = ordered_map(double, Watched(range(1000)), 2)
    next(results)
    assert len(taken) <= 2 * ITEMS_AHEAD_PER_WORKER
    results.close()  # type: ignore[attr-defined]


def test_a_dead_worker_is_said() -> None:
    with pytest.raises(HeroError, match="worker process died"):
        list(ordered_map(die, [1, 1, 1], 2))
