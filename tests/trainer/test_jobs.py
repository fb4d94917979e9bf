import os
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from hero_core.errors import HeroError, InputError
from hero_core.progress import silent
from trainer.jobs import Job, do_jobs


def write(path, after, report):
    """Write down which files were there when this one came."""
    report(1, 2, "half")
    path.write_text(",".join(sorted(each.name for each in path.parent.iterdir())))
    assert all((path.parent / name).exists() for name in after)
    return path.name, os.getpid()


def fail(report):
    raise InputError("no such thing")


def wait_for_ever(path, report):
    path.write_text("begun")
    while True:
        time.sleep(0.05)
        report(0, 1)


def vanish(report):
    os._exit(3)


def silent_of(jobs):
    return {job.name: silent for job in jobs}


def chain(folder):
    """``a`` and ``b`` before ``c``, named before them; ``d`` alone."""
    needs = {"c": {"a", "b"}, "a": set(), "b": set(), "d": set()}
    return [
        Job(name, partial(write, folder / name, after), frozenset(after)) for name, after in needs.items()
    ]


@pytest.mark.parametrize("processes", [1, 2])
def test_what_is_needed_comes_first_and_everything_is_told(tmp_path, processes):
    jobs, told, ended = chain(tmp_path), [], []
    listeners = {job.name: lambda *words, name=job.name: told.append((name, words)) for job in jobs}
    outcomes = do_jobs(jobs, listeners, processes, ended.append)
    assert [outcome[0] for outcome in outcomes.values()] == list(outcomes) == ["c", "a", "b", "d"]
    assert {"a", "b"} <= set(Path(tmp_path / "c").read_text().split(","))
    assert sorted(told) == [(name, (1, 2, "half")) for name in "abcd"]
    assert sorted(ended) == list("abcd")
    assert ended.index("c") > max(ended.index("a"), ended.index("b"))
    assert len({outcome[1] for outcome in outcomes.values()}) <= processes
    assert (os.getpid() in {outcome[1] for outcome in outcomes.values()}) == (processes == 1)


def test_an_error_ends_all_and_what_needs_it_is_not_begun(tmp_path):
    jobs = [
        Job("endless", partial(wait_for_ever, tmp_path / "endless")),
        Job("wrong", fail),
        Job("later", partial(write, tmp_path / "later", ()), frozenset({"wrong"})),
    ]
    with pytest.raises(InputError, match="no such thing"):
        do_jobs(jobs, silent_of(jobs), 2)
    assert not (tmp_path / "later").exists()


def test_a_process_that_dies_is_an_error(tmp_path):
    jobs = [Job("gone", vanish), *chain(tmp_path)]
    with pytest.raises(HeroError, match="gone: its process died"):
        do_jobs(jobs, silent_of(jobs), 2)


@pytest.mark.parametrize("processes", [1, 2])
def test_told_of_failures_all_else_goes_on_and_the_error_names_each(tmp_path, processes):
    jobs = [
        Job("wrong", fail),
        Job("later", partial(write, tmp_path / "later", ()), frozenset({"wrong"})),
        Job("bad", fail, frozenset({"a"})),
        *chain(tmp_path),
    ]
    told, ended = [], []
    with pytest.raises(HeroError, match="^wrong: no such thing; bad: no such thing$"):
        do_jobs(
            jobs, silent_of(jobs), processes, ended.append, lambda name, why: told.append((name, str(why)))
        )
    assert sorted(told) == [("bad", "no such thing"), ("wrong", "no such thing")]
    assert sorted(ended) == list("abcd")
    assert not (tmp_path / "later").exists()


def threads(report):
    return torch.get_num_threads(), os.getpid()


def test_a_job_has_as_many_threads_when_it_is_the_only_one_left():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        for count in (1, 3):
            jobs = [Job(str(number), threads) for number in range(count)]
            found = do_jobs(jobs, silent_of(jobs), 2).values()
            assert {each[0] for each in found} == {2}
            assert os.getpid() not in {each[1] for each in found}
    finally:
        torch.set_num_threads(before)
