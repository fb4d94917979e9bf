"""A training that is killed before any one of its file operations can be resumed, and leaves nothing behind."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hero_core.storage import TEMPORARY_SUFFIX
from tests.forks import KILLED, forks
from trainer.runs import train_part

CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "os.truncate"}
"""What the interpreter tells its audit hooks of changes to files, each before it is done."""


def before_change(folder: Path, number: int, action: Callable[[], None]) -> None:
    """Do something before the given change, counted from 0, to what lies in a folder; for the whole process."""
    seen = -1

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event not in CHANGES or not str(arguments[0]).startswith(str(folder)):
            return
        if event == "open" and not int(str(arguments[2])) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
        seen += 1
        if seen == number:
            action()

    sys.addaudithook(hook)


def die_before_change(name, request, number):
    torch.set_num_threads(1)
    before_change(request.out, number, lambda: os.kill(os.getpid(), signal.SIGKILL))
    train_part(name, request)


@pytest.mark.skipif(KILLED is None, reason="needs SIGKILL")
def test_killed_before_every_change_of_a_file(tmp_path, train_tiny, same_training):
    settings = ["rvq.training.steps=6", "rvq.training.evaluate_every_steps=3"]
    whole = tmp_path / "whole"
    train_tiny("rvq", whole, *settings)
    number, ended = 0, KILLED
    with forks() as exit_code:
        while ended == KILLED:
            run = tmp_path / f"killed-{number}"
            ended = exit_code(die_before_change, "rvq", train_tiny.request(run, *settings), number)
            train_tiny("rvq", run, *settings, resume=True)
            same_training(whole / "rvq", run / "rvq")
            left = [path for path in tmp_path.rglob(".*") if path.name.endswith((TEMPORARY_SUFFIX, ".old"))]
            assert left == [], number
            number += 1
    assert ended == 0
    assert number > 20, number
