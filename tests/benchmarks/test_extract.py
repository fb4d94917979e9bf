"""The arithmetic of the benchmark of whole extractions: what is slowest decides."""

import time
from contextlib import closing

import pytest

from benchmarks.extract import Rates, Took, computing_seconds, least, report, table
from pipeline.engines.local import ItemLimits, ordered_map


@pytest.mark.parametrize(
    ("workers", "cores", "seconds", "bottleneck"),
    [
        (1, 8, 0.10, "workers"),
        (2, 8, 0.05, "workers"),
        (4, 8, 0.03, "encoding"),
        (64, 65, 0.03, "encoding"),
        (4, 2, 0.065, "cores"),
        (1, 1, 0.13, "cores"),
    ],
)
def test_the_slowest_part_decides(workers: int, cores: int, seconds: float, bottleneck: str) -> None:
    rates = Rates(decode=0.10, encode=0.025, write=0.005)
    assert rates.seconds(workers, cores) == pytest.approx(seconds)
    assert rates.bottleneck(workers, cores) == bottleneck
    assert rates.enough_workers == pytest.approx(0.10 / 0.03)


def test_the_whole_is_held_to_its_parts_and_to_the_model() -> None:
    rates = Rates(decode=0.10, encode=0.025, write=0.005)
    clock = {"decode 1": 10.2, "decode 2": 5.2, "encode": 2.5, "whole 1": 13.26, "whole 2": 6.7}
    computing = {"decode 1": 10.0, "decode 2": 10.5, "encode": 2.5, "whole 1": 13.75, "whole 2": 13.0}
    took = {way: Took(clock[way], computing[way]) for way in clock}
    busy = {"1": {"writing": 0.5}, "2": {"writing": 0.5}}
    found = report(rates, 0.2, took, busy, clips=100, cores=2)
    one, two = found["workers"]["1"], found["workers"]["2"]
    assert (one["over_the_larger_part"], two["over_the_larger_part"]) == (1.3, 1.288)
    assert (one["predicted_seconds"], two["predicted_seconds"]) == (10.2, 6.7)
    assert (one["computing_over_the_parts"], two["computing_over_the_parts"]) == (1.1, 1.0)
    assert (one["over_predicted"], two["over_predicted"]) == (1.3, 1.0)
    assert found["speedup_of_2_workers"] == 1.979
    assert found["enough_workers"] == 3.33
    beyond = found["predicted_clips_per_second"]
    assert beyond["2"] == {"clips_per_second": 20.0, "saturated": "workers"}
    assert beyond["64"] == {"clips_per_second": 33.33, "saturated": "encoding"}
    assert found["clips_per_second_that_one_process_writes"] == 200
    assert "| MiniViMo, mini, 2 | 100 | 5.2 | 2.5 | 6.7 | 1.288 | 1.0 |" in table({"MiniViMo, mini": found})


def test_ways_take_turns_and_the_least_counts() -> None:
    called: list[str] = []
    found = least({name: lambda name=name: called.append(name) for name in "ab"}, 2)  # type: ignore[misc]
    assert called == ["a", "b", "a", "b"]
    assert found.keys() == {"a", "b"}
    assert Took(1, 5).least(Took(2, 4)) == Took(1, 4)


def test_computing_is_counted_also_of_workers() -> None:
    def compute() -> None:
        with closing(ordered_map(sum, [range(20_000_000)] * 2, 1, ItemLimits(60, 1024))) as results:
            assert len(list(results)) == 2

    before, here = computing_seconds(), time.process_time()
    compute()
    elsewhere = computing_seconds() - before - (time.process_time() - here)
    assert elsewhere > 0.1
