import os
import signal
import threading
import time

import pytest

from hero_core.errors import HeroError
from hero_core.progress import silent
from trainer.log import read_log
from trainer.loop import StoppedError
from trainer.runs import train_part
from trainer.side_by_side import rounds, train_side_by_side

PARTS = ("evaluator", "joint_evaluator", "rvq", "masked", "residual", "length")


def requests_of(names, train_tiny, run, *overrides):
    return {name: train_tiny.request(run, *overrides) for name in names}


def silent_of(names):
    return dict.fromkeys(names, silent)


def test_what_a_part_needs_comes_in_an_earlier_round(train_tiny, tmp_path):
    def groups(*overrides, names=PARTS):
        return rounds(names, requests_of(PARTS, train_tiny, tmp_path, *overrides))

    first = ["evaluator", "joint_evaluator", "rvq", "length"]
    assert groups() == [first, ["masked", "residual"]]
    assert groups("residual.training.select_by=reactions") == [first, ["masked"], ["residual"]]
    assert groups("masked.training.select_by=reactions", names=["masked", "residual"]) == [
        ["masked", "residual"]
    ]
    assert groups(names=["residual"]) == [["residual"]]


def test_side_by_side_gives_what_one_after_another_gives(train_tiny, new_run, same_training):
    names = ("masked", "residual")
    together, alone = new_run("together"), new_run("alone")
    told = {name: [] for name in names}
    reports = {name: lambda *words, name=name: told[name].append(words) for name in names}
    bests = train_side_by_side(requests_of(names, train_tiny, together), reports)
    for name in names:
        assert bests[name] == train_part(name, train_tiny.request(alone))
        same_training(together / name, alone / name)
        steps = [done for done, _, note in told[name] if note != "codes"]
        assert steps == [0, 2, 4, 6, 7]  # with every line of the log


def test_an_error_in_one_part_stops_the_other_which_is_saved(train_tiny, new_run):
    run = new_run("run")
    long = ["residual.training.steps=100000", "residual.training.log_every_steps=1"]
    requests = requests_of(("masked", "residual"), train_tiny, run, *long, "masked.training.lr=1e30")
    with pytest.raises(HeroError, match="not finite"):
        train_side_by_side(requests, silent_of(requests))
    log = run / "residual" / "log.jsonl"
    begun = log.exists() and bool(read_log(log))  # on a busy machine the error may come first
    assert (run / "residual" / "state.safetensors").is_file() or not begun


def test_a_signal_stops_all_parts_which_go_on_from_there(train_tiny, new_run):
    run, names = new_run("run"), ("masked", "residual")
    long = [f"{name}.training.steps=100000" for name in names]

    def interrupt():
        deadline = time.monotonic() + 60
        while not all(read_log(run / name / "log.jsonl") for name in names) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    requests = requests_of(names, train_tiny, run, *long)
    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(StoppedError, match=r"masked: stopped.*residual: stopped"):
        train_side_by_side(requests, silent_of(names))
    interrupter.join()
    assert all((run / name / "state.safetensors").is_file() for name in names)
