"""The loop with a task that needs no data."""

import os
import signal
from itertools import count

import pytest
import torch
from torch import nn

from hero_core.checkpoints import load_checkpoint, save_checkpoint
from hero_core.config import Config
from hero_core.errors import ConfigError, InputError
from trainer.config import TrainingConfig
from trainer.log import read_log
from trainer.loop import DivergenceError, Run, StoppedError, reproducible, train
from trainer.run_folder import RunFolder

CPU = torch.device("cpu")
SETTINGS = TrainingConfig(steps=10, batch_size=4, lr=1e-2, log_every_steps=3, evaluate_every_steps=4)


class Line:
    """Fit y = 2x; the validation metric is worst at steps that the test chooses."""

    metric = "error"
    steps_per_epoch = 5

    def __init__(self, poison=None):
        self.module = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.1), nn.Linear(8, 1))
        self.poison = poison

    def batches(self, start_step):
        for step in count(start_step + 1):
            x = torch.linspace(-1, 1, 4)[:, None] + 0.01 * (step % 7)
            yield x * (float("nan") if step == self.poison else 1.0)

    def losses(self, batch, rng):
        assert self.module.training
        noise = 0.01 * torch.randn(batch.shape, generator=rng)
        return {"total": (self.module(batch) - 2 * batch + noise).square().mean(), "size": batch.abs().mean()}

    def validate(self):
        assert not self.module.training
        x = torch.ones(1, 1)
        return {"error": float((self.module(x) - 2).abs())}

    def save(self, folder, metadata):
        save_checkpoint(folder, "line", Config(), self.module.state_dict(), metadata)


def quiet(done, total, note=""):
    pass


def fit(path, settings=SETTINGS, report=quiet, poison=None, identity=None):
    run = Run(
        RunFolder(path, "line"), 0, CPU, identity or {"task": "line"}, {"origin": "test"}, False, report
    )
    with reproducible(0, CPU):
        task = Line(poison)
        return train(task, settings, run), task


def weights(path, which="last"):
    return load_checkpoint(path / "line" / which, "line").tensors


def log_of(path):
    return [
        {name: value for name, value in line.items() if name != "samples_per_second"}
        for line in read_log(path / "line" / "log.jsonl")
    ]


def assert_same_run(one, other):
    for which in ("best", "last"):
        ours, theirs = weights(one, which), weights(other, which)
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert log_of(one) == log_of(other)


class KilledError(Exception):
    pass


def killed_at(step):
    def report(done, total, note=""):
        if done == step:
            raise KilledError

    return report


def test_loss_falls_and_log_says_when(tmp_path):
    settings = SETTINGS.model_copy(update={"steps": 200, "log_every_steps": 50, "evaluate_every_steps": 100})
    best, _ = fit(tmp_path, settings)
    log = read_log(tmp_path / "line" / "log.jsonl")
    steps = [(line["phase"], line["step"], line["epoch"]) for line in log]
    assert steps == [
        ("train", 50, 10),
        ("train", 100, 20),
        ("validation", 100, 20),
        ("train", 150, 30),
        ("train", 200, 40),
        ("validation", 200, 40),
    ]
    totals = [line["total"] for line in log if line["phase"] == "train"]
    assert totals[-1] < 0.5 * totals[0]
    assert best.value == min(line["error"] for line in log if line["phase"] == "validation")
    assert log[0].keys() >= {"lr", "gradient_norm", "size", "samples_per_second"}


def test_best_is_kept_where_the_metric_was_lowest(tmp_path):
    best, _ = fit(tmp_path, SETTINGS.model_copy(update={"steps": 40, "lr": 0.3}))
    lowest = min(
        (line for line in log_of(tmp_path) if line["phase"] == "validation"), key=lambda line: line["error"]
    )
    assert (best.step, best.value) == (lowest["step"], lowest["error"])
    metadata = load_checkpoint(tmp_path / "line" / "best", "line").metadata
    assert metadata["step"] == best.step
    assert metadata["best"] == {"metric": "error", "value": best.value, "step": best.step}
    assert metadata["origin"] == "test"


@pytest.mark.parametrize("step", range(1, 11))
def test_killed_at_any_step_and_resumed(tmp_path, step):
    fit(tmp_path / "whole")
    with pytest.raises(KilledError):
        fit(tmp_path / "killed", report=killed_at(step))
    fit(tmp_path / "killed")
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_run_goes_on_from_there(tmp_path, number):
    fit(tmp_path / "whole")
    before = signal.getsignal(number)

    def interrupt(done, total, note=""):
        if done == 5:
            os.kill(os.getpid(), number)

    with pytest.raises(StoppedError, match="step 5 of 10"):
        fit(tmp_path / "stopped", report=interrupt)
    assert signal.getsignal(number) == before
    assert load_checkpoint(tmp_path / "stopped" / "line" / "last", "line").metadata["step"] == 5
    seen = []
    fit(tmp_path / "stopped", report=lambda done, total, note="": seen.append(done))
    assert seen == [6, 7, 8, 9, 10]
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")


def test_a_signal_in_the_last_step_is_no_interruption(tmp_path):
    def interrupt(done, total, note=""):
        if done == 10:
            os.kill(os.getpid(), signal.SIGINT)

    fit(tmp_path, report=interrupt)


def test_not_a_number_names_the_step_and_keeps_the_checkpoint(tmp_path):
    with pytest.raises(DivergenceError, match=r"total.*not finite at step 7.*last is from before"):
        fit(tmp_path, poison=7)
    assert load_checkpoint(tmp_path / "line" / "last", "line").metadata["step"] == 4
    assert all(tensor.isfinite().all() for tensor in weights(tmp_path).values())


def test_not_a_number_before_anything_was_saved(tmp_path):
    with pytest.raises(DivergenceError, match="nothing was saved yet"):
        fit(tmp_path, poison=2)


def test_another_identity_is_not_resumed(tmp_path):
    with pytest.raises(KilledError):
        fit(tmp_path, report=killed_at(5))
    with pytest.raises(ConfigError, match="not the same task"):
        fit(tmp_path, identity={"task": "curve"})


def test_the_callers_random_numbers_and_settings_are_left_alone(tmp_path):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    fit(tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()


def test_gradients_are_clipped(tmp_path):
    settings = SETTINGS.model_copy(update={"gradient_clip": 1e-8, "steps": 3})
    _, task = fit(tmp_path, settings)
    with reproducible(0, CPU):
        norm = nn.utils.get_total_norm([p.grad for p in task.module.parameters()])
    assert float(norm) <= 1.01e-8


def test_an_existing_run_is_not_touched(tmp_path):
    fit(tmp_path)
    with pytest.raises(InputError, match="--resume"):
        RunFolder(tmp_path, "line").prepare(resume=False)
    RunFolder(tmp_path, "line").prepare(resume=True)
    RunFolder(tmp_path, "other").prepare(resume=False)
