"""Each part, killed outright ten times and resumed each time, becomes what it becomes without."""

import os
import random
import signal

import pytest
import torch

from tests.forks import KILLED, forks
from tests.trainer.conftest import after_step
from trainer.runs import train_part

STEPS, KILLS = 26, 10


def die_after(name, request, step):
    """In a process of its own: train, and be killed after so many steps; what is being written stays half written."""
    torch.set_num_threads(1)
    with after_step(step, lambda: os.kill(os.getpid(), signal.SIGKILL)):
        train_part(name, request)


@pytest.fixture(scope="module")
def exit_code():
    with forks() as exit_code:
        yield exit_code


@pytest.mark.skipif(KILLED is None, reason="needs SIGKILL")
@pytest.mark.parametrize("name", ["rvq", "masked", "residual", "length", "evaluator"])
def test_killed_outright_at_ten_random_steps(name, new_run, tmp_path, train_tiny, same_training, exit_code):
    def run(where):
        return tmp_path / where if name == "rvq" else new_run(where)

    settings = [f"{name}.training.steps={STEPS}", f"{name}.training.average_decay=0.9"]
    whole, killed = run("whole"), run("killed")
    train_tiny(name, whole, *settings)
    steps = sorted(random.Random(name).sample(range(1, STEPS), KILLS))
    for step in steps:
        request = train_tiny.request(killed, *settings, resume=True)
        assert exit_code(die_after, name, request, step) == KILLED
    train_tiny(name, killed, *settings, resume=True)
    same_training(whole / name, killed / name)
