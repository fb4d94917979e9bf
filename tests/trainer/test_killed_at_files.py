"""A training that is killed before any one of its file operations can be resumed, and leaves nothing behind."""

import os
import signal
import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from hero_core.storage import TEMPORARY_SUFFIX
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


@pytest.fixture(scope="module")
def processes():
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.trainer.test_killed_at_files"])
    return context


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_before_every_change_of_a_file(tmp_path, train_tiny, same_training, processes):
    settings = ["rvq.training.steps=6", "rvq.training.evaluate_every_steps=3"]
    whole = tmp_path / "whole"
    train_tiny("rvq", whole, *settings)
    number, survived = 0, False
    while not survived:
        run = tmp_path / f"killed-{number}"
        request = train_tiny.request(run, *settings)
        process = processes.Process(target=die_before_change, args=("rvq", request, number))
        process.start()
        process.join()
        survived = process.exitcode == 0
        assert survived or process.exitcode == -signal.SIGKILL
        train_tiny("rvq", run, *settings, resume=True)
        same_training(whole / "rvq", run / "rvq")
        left = [path for path in tmp_path.rglob(".*") if path.name.endswith((TEMPORARY_SUFFIX, ".old"))]
        assert left == [], number
        number += 1
    assert number > 20, number
