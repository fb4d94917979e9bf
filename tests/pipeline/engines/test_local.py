"""Work in processes: in order, bounded ahead, and nothing that an item does reaches another one."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from hero_core.errors import HeroError, InputError
from pipeline.engines.local import ITEMS_AHEAD_PER_WORKER, Broken, ItemLimits, ordered_map

REPOSITORY = Path(__file__).resolve().parents[3]
LIMITS = ItemLimits(seconds=60, mebibytes=1024)


def double(number: int) -> tuple[int, int]:
    return 2 * number, os.getpid()


def die(number: int) -> int:
    os._exit(number)


def misbehave(what: str) -> str:
    match what:
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "leave":
            os._exit(7)
        case "hang":
            time.sleep(600)
        case "compute":
            while (
                True
            ):  # and lets others work, also where the tests have real-time priority, which workers inherit
                os.sched_yield()
        case "swell":
            bytearray(2 * 1024**3)
        case "raise":
            raise ZeroDivisionError("by nothing")
        case "refuse":
            raise InputError("no such body model")
    return what


def crash_once(marker: Path) -> int:
    """Dies the first time, as a worker does that something else has killed."""
    if not marker.exists():
        marker.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def torch_is_loaded(_: int) -> bool:
    return "torch" in sys.modules


def core_size(_: int) -> int:
    import resource

    return resource.getrlimit(resource.RLIMIT_CORE)[0]


def test_one_worker_is_this_process_where_items_are_trusted() -> None:
    assert list(ordered_map(double, [3, 4], 1)) == [(6, os.getpid()), (8, os.getpid())]


def test_one_worker_is_a_process_of_its_own_where_they_are_not() -> None:
    results = list(ordered_map(double, [3, 4], 1, LIMITS))
    assert [value for value, _ in results] == [6, 8]  # type: ignore[misc]
    processes = {process for _, process in results}  # type: ignore[misc]
    assert len(processes) == 1
    assert os.getpid() not in processes


@pytest.mark.parametrize("limits", [None, LIMITS])
def test_several_workers_keep_the_order(limits: ItemLimits | None) -> None:
    given = (limits,) if limits else ()
    results = list(ordered_map(partial(double), range(40), 2, *given))  # type: ignore[arg-type]
    assert [value for value, _ in results] == [2 * number for number in range(40)]
    assert os.getpid() not in {process for _, process in results}


def test_nothing_to_do_is_done() -> None:
    assert list(ordered_map(double, [], 2, LIMITS)) == []


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
    results.close()


def test_a_dead_worker_is_said_where_items_are_trusted() -> None:
    with pytest.raises(HeroError, match=r"worker process died \(ended with exit code 1\)"):
        list(ordered_map(die, [1, 1, 1], 2))


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("crash", "killed by signal 11"),
        ("leave", "ended with exit code 7"),
        ("swell", "over 1024 MiB"),
        ("raise", "ZeroDivisionError: by nothing (test_local.py:"),
    ],
)
def test_an_item_that_breaks_its_process_costs_its_own_result(workers: int, what: str, reason: str) -> None:
    items = ["a", "b", what, "c", what, "d"]
    results = list(ordered_map(misbehave, items, workers, LIMITS))
    assert [result for result in results if isinstance(result, str)] == ["a", "b", "c", "d"]
    broken = [result for result in (results[2], results[4]) if isinstance(result, Broken)]
    assert len(broken) == 2
    assert all(one.reason.startswith(reason) for one in broken)


@pytest.mark.parametrize("what", ["hang", "compute"])
def test_an_item_that_takes_for_ever_is_ended(what: str) -> None:
    results = list(ordered_map(misbehave, ["a", what, "b"], 2, ItemLimits(0.5, 1024)))
    assert results == ["a", Broken("over 0.5 s"), "b"]


def half_a_second_to_hang(item: str) -> float:
    return 0.5 if item in ("hang", "compute") else 1000


@pytest.mark.parametrize("what", ["hang", "compute"])
def test_an_item_may_be_given_less_time_than_others(what: str) -> None:
    limits = ItemLimits(60, 1024, half_a_second_to_hang)
    assert (limits.seconds_for(what), limits.seconds_for("a")) == (0.5, 60)
    assert list(ordered_map(misbehave, ["a", what, "b"], 1, limits)) == ["a", Broken("over 0.5 s"), "b"]


def test_others_work_on_while_one_hangs(tmp_path: Path) -> None:
    """All that are ahead get done before the one that hangs is given up."""
    items = ["hang", *(str(tmp_path / str(index)) for index in range(2 * ITEMS_AHEAD_PER_WORKER - 1))]
    results = ordered_map(hang_or_touch, items, 2, ItemLimits(5, 1024))
    started = next(results)
    assert started == Broken("over 5 s")
    assert len(list(tmp_path.iterdir())) == len(items) - 1
    results.close()


def hang_or_touch(path: str) -> str:
    if path == "hang":
        time.sleep(600)
    Path(path).touch()
    return path


def test_a_worker_that_was_killed_by_chance_costs_nothing(tmp_path: Path) -> None:
    (second,) = ordered_map(crash_once, [tmp_path / "marker"], 1, LIMITS)
    assert second != int((tmp_path / "marker").read_text())


def test_errors_meant_for_people_pass() -> None:
    for given in ((LIMITS,), ()):
        with pytest.raises(HeroError, match="no such body model"):
            list(ordered_map(misbehave, ["a", "refuse", "b"], 2, *given))  # type: ignore[arg-type]


def test_a_mistake_of_ours_is_shown_where_items_are_trusted() -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError: by nothing"):
        list(ordered_map(misbehave, ["a", "raise"], 2))


@pytest.mark.skipif(sys.platform == "win32", reason="no resource limits")
def test_no_crash_writes_its_memory_to_disk() -> None:
    assert list(ordered_map(core_size, [0], 1, LIMITS)) == [0]


PROGRAM = """
    import sys, time
    sys.path[:0] = {path!r}
    import torch  # as the commands do
    from pipeline.engines.local import ItemLimits, ordered_map
    from tests.pipeline.engines.test_local import {function}

    if __name__ == "__main__":
        for result in ordered_map({function}, {items!r}, 2, ItemLimits(100, 1024)):
            print(result, flush=True)
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator["Program"]:
    """A program of its own that maps a function over items; ended after the test, whatever became of it."""
    program = Program(tmp_path / "program.py")
    yield program
    program.end()


class Program:
    def __init__(self, path: Path) -> None:
        self._path = path

    def start(self, function: str, items: list[object]) -> "subprocess.Popen[str]":
        text = textwrap.dedent(PROGRAM).format(path=[str(REPOSITORY)], function=function, items=items)
        self._path.write_text(text)
        command = [sys.executable, str(self._path)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
        return self.process

    def others(self) -> list[int]:
        """Processes of its session but itself, which outlive it unless they see to it."""
        return [process for process in session_of(self.process.pid) if process != self.process.pid]

    def end(self) -> None:
        while processes := session_of(self.process.pid):
            for process in processes:
                with suppress(ProcessLookupError):  # one that has ended by itself
                    os.kill(process, signal.SIGKILL)
        self.process.communicate()


def session_of(leader: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, *numbers = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(numbers[2]) == leader and state != "Z":
                found.append(int(entry.name))
    return found


def wait_for(condition: object) -> None:
    while not condition():  # type: ignore[operator]  # pytest's limit ends it
        time.sleep(0.05)


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@needs_proc
@pytest.mark.parametrize("what", ["hang", "compute"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nobody_outlives_the_parent(program: Program, what: str, number: signal.Signals) -> None:
    process = program.start("misbehave", ["a", what, what])
    assert process.stdout is not None
    assert process.stdout.readline() == "a\n"
    wait_for(lambda: len(program.others()) >= 3)  # two workers and who forks them
    process.send_signal(number)
    assert process.wait() == -number
    wait_for(lambda: not program.others())
    assert process.communicate()[1] == ""


@needs_proc
def test_ctrl_c_ends_all_and_only_the_parent_speaks(program: Program) -> None:
    process = program.start("misbehave", ["a", "hang", "hang"])
    assert process.stdout is not None
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all of them
    _, said = process.communicate()
    assert said.count("Traceback") == 1
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert "_serve" not in said
    wait_for(lambda: not program.others())


@needs_proc
@pytest.mark.parametrize("processes", [2, 3])
def test_ctrl_c_while_workers_start(program: Program, processes: int) -> None:
    process = program.start("misbehave", ["hang", "hang"])
    wait_for(lambda: len(program.others()) >= processes)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate()
    assert said.count("Traceback") <= 1, said
    wait_for(lambda: not program.others())


def test_workers_import_nothing_of_the_program(program: Program) -> None:
    process = program.start("torch_is_loaded", [1, 2, 3])
    assert process.communicate()[0] == "False\n" * 3
