"""The loop with a part that needs no data."""

import os
import signal
from itertools import count
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from hero_core.config import Config
from hero_core.errors import ConfigError
from hero_core.models.base import Batch
from hero_core.models.checkpoint import load_network, read_header
from tests.trainer.conftest import KilledError, after_step, kill
from trainer.arithmetic import reproducible
from trainer.config import TrainingConfig
from trainer.data.draws import Order
from trainer.folder import PartFolder
from trainer.log import read_log
from trainer.loop import DivergenceError, Run, StoppedError, train

CPU = torch.device("cpu")
SETTINGS = TrainingConfig(steps=10, batch_size=4, lr=1e-2, log_every_steps=3, evaluate_every_steps=4)


class Line(nn.Module):
    """Fits y = 2x, and makes a little noise in training."""

    kind: ClassVar[str] = "line"
    settings: ClassVar[type[Config]] = Config
    metric: ClassVar[str] = "error"
    validation_draws: ClassVar[int] = 2
    recordable: ClassVar[bool] = True

    def __init__(self, config=None):
        super().__init__()
        self.config = config or Config()
        self.network = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.1), nn.Linear(8, 1))

    def losses(self, batch, rng):
        x = batch.motion
        noise = 0.01 * torch.randn(x.shape, generator=rng)
        error = (self.network(x) - 2 * x + noise).square().mean()
        return {"total": error, "size": x.abs().mean(), "error": error.sqrt()}


class Points:
    """Batches of x; from step ``poison`` on they are not numbers. Validation never changes."""

    order = Order(seed=0, samples=20, batch_size=4)
    longest_frames = 4
    reading = "made up"

    def __init__(self, poison=None):
        self.counts = {}
        self.poison = poison

    def train(self, start_step):
        for step in count(start_step + 1):
            x = torch.linspace(-1, 1, 4)[:, None] + 0.01 * (step % 7)
            yield self._batch(x * (float("nan") if step == self.poison else 1.0))

    def validation(self):
        yield 1, self._batch(torch.ones(1, 1))
        yield 3, self._batch(torch.zeros(3, 1))

    def _batch(self, x):
        return Batch(keys=("a", "b"), lengths=torch.ones(len(x), dtype=torch.long), frames=x)


def quiet(done, total, note=""):
    pass


def fit(path, settings=SETTINGS, report=quiet, poison=None, identity=None):
    with reproducible(0, CPU):
        part = Line()
        run = Run(
            folder=PartFolder(path, "line"),
            part=part,
            network=part,
            batches=Points(poison),
            scorer=None,
            training=settings,
            seed=0,
            device=CPU,
            identity=identity or {"part": "line"},
            metadata={"origin": "test"},
        )
        return train(run, report), part


def metadata(path, which="last"):
    return read_header(path / "line" / f"{which}.safetensors")["metadata"]


def weights(path, which="last"):
    return load_network(path / "line" / f"{which}.safetensors", Line)[0].state_dict()


def log_of(path):
    return [
        {name: value for name, value in line.items() if name not in ("samples_per_second", "data_wait")}
        for line in read_log(path / "line" / "log.jsonl")
    ]


def assert_same_run(one, other):
    for which in ("best", "last"):
        ours, theirs = weights(one, which), weights(other, which)
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert log_of(one) == log_of(other)


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
    noted = metadata(tmp_path, "best")
    assert noted["step"] == best.step
    assert noted["best"] == {"metric": "error", "value": best.value, "step": best.step}
    assert noted["origin"] == "test"


@pytest.mark.parametrize("averaged", [None, 0.7])
@pytest.mark.parametrize("step", range(1, 11))
def test_killed_at_any_step_and_resumed(tmp_path, step, averaged):
    settings = SETTINGS.model_copy(update={"average_decay": averaged})
    fit(tmp_path / "whole", settings)
    with after_step(step, kill), pytest.raises(KilledError):
        fit(tmp_path / "killed", settings)
    fit(tmp_path / "killed", settings)
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_run_goes_on_from_there(tmp_path, number):
    fit(tmp_path / "whole")
    before = signal.getsignal(number)

    with (
        after_step(5, lambda: os.kill(os.getpid(), number)),
        pytest.raises(StoppedError, match="step 5 of 10"),
    ):
        fit(tmp_path / "stopped")
    assert signal.getsignal(number) == before
    assert metadata(tmp_path / "stopped")["step"] == 5
    seen = []
    fit(tmp_path / "stopped", report=lambda done, total, note="": seen.append(done))
    assert seen == [5, 6, 9, 10]  # where it stands, then with every line of the log
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")


def test_a_signal_in_the_last_step_is_no_interruption(tmp_path):
    with after_step(10, lambda: os.kill(os.getpid(), signal.SIGINT)):
        fit(tmp_path)


def test_not_a_number_names_the_step_and_keeps_the_checkpoint(tmp_path):
    with pytest.raises(
        DivergenceError, match=r"total.*not finite at step 7, on a, b; .*last.safetensors is from before"
    ):
        fit(tmp_path, poison=7)
    assert metadata(tmp_path)["step"] == 4
    assert all(tensor.isfinite().all() for tensor in weights(tmp_path).values())


def test_the_weights_before_a_step_that_is_not_finite_are_kept(tmp_path):
    fit(tmp_path / "whole", SETTINGS.model_copy(update={"steps": 6}))
    with pytest.raises(DivergenceError, match=r"are in .*diverged.safetensors"):
        fit(tmp_path, poison=7)
    diverged = load_file(tmp_path / "line" / "diverged.safetensors")
    for name, tensor in weights(tmp_path / "whole").items():
        assert torch.equal(diverged[f"model.{name}"], tensor)


def test_not_a_number_before_anything_was_saved(tmp_path):
    with pytest.raises(DivergenceError, match="nothing was saved before"):
        fit(tmp_path, poison=2)


def test_another_identity_is_not_resumed(tmp_path):
    with after_step(6, kill), pytest.raises(KilledError):
        fit(tmp_path)
    with pytest.raises(ConfigError, match="not the same part"):
        fit(tmp_path, identity={"part": "curve"})


def test_the_callers_random_numbers_and_settings_are_left_alone(tmp_path):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    fit(tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()


def test_gradients_are_clipped(tmp_path):
    settings = SETTINGS.model_copy(update={"gradient_clip": 1e-8, "steps": 3})
    _, part = fit(tmp_path, settings)
    with reproducible(0, CPU):
        norm = nn.utils.get_total_norm([p.grad for p in part.parameters()])
    assert float(norm) <= 1.01e-8


def test_the_note_names_a_loss_from_the_first_step_on(tmp_path):
    notes = []
    fit(tmp_path, report=lambda done, total, note="": notes.append(note))
    assert notes.pop(0) == "made up"
    assert len(notes) == 4
    assert all("loss 0." in note or "loss 1." in note for note in notes), notes
    assert not any("nan" in note for note in notes)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_validation_is_a_weighted_mean_over_draws_that_never_change_in_float32(tmp_path, precision):
    part = fit(tmp_path, SETTINGS.model_copy(update={"precision": precision}))[1].eval()
    rng = torch.Generator().manual_seed(0)
    sums = 0.0
    for weight, batch in Points().validation():
        sums += sum(weight * part.losses(batch, rng)["error"].item() for _ in range(2))
    last = [line for line in log_of(tmp_path) if line["phase"] == "validation"][-1]
    assert last["error"] == pytest.approx(sums / 8, rel=1e-6)


@pytest.mark.parametrize("leftover", ["last", "best"])
def test_killed_while_a_checkpoint_is_new_and_the_state_is_not(tmp_path, monkeypatch, leftover):
    """Step 8 validates and saves: the best, then the last checkpoint, then the state."""
    fit(tmp_path / "whole")
    name = f"{leftover}.safetensors"
    real = Path.replace

    def replace(self, target):
        real(self, target)
        if Path(target).name == name and metadata(tmp_path / "killed", leftover)["step"] == 8:
            raise KilledError

    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr(Path, "replace", replace)
        fit(tmp_path / "killed")
    fit(tmp_path / "killed")
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


def test_more_steps_go_on_to_the_weights_of_a_longer_run(tmp_path):
    fit(tmp_path / "long", SETTINGS.model_copy(update={"steps": 15}))
    fit(tmp_path / "extended")
    seen = []
    fit(
        tmp_path / "extended",
        SETTINGS.model_copy(update={"steps": 15}),
        report=lambda done, total, note="": seen.append(done),
    )
    assert seen == [10, 12, 15]
    ours, theirs = weights(tmp_path / "extended"), weights(tmp_path / "long")
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_fewer_steps_than_were_done(tmp_path):
    fit(tmp_path)
    with pytest.raises(ConfigError, match="at step 10 already, beyond the 5"):
        fit(tmp_path, SETTINGS.model_copy(update={"steps": 5}))


def test_what_could_not_be_saved_is_not_said_to_be(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError("disk full")

    monkeypatch.setattr("trainer.writer.write_bytes", full)
    with (
        after_step(2, lambda: os.kill(os.getpid(), signal.SIGINT)),
        pytest.raises(OSError, match="disk full"),
    ):
        fit(tmp_path)


def test_a_validation_that_is_not_finite_keeps_the_weights_themselves_not_their_averages(
    tmp_path, monkeypatch
):
    settings = SETTINGS.model_copy(update={"steps": 4, "average_decay": 0.5})
    part = fit(tmp_path / "whole", settings)[1]
    monkeypatch.setattr("trainer.loop.validation_losses", lambda run: {"error": float("nan")})
    with pytest.raises(DivergenceError, match="error not finite at step 4"):
        fit(tmp_path / "broken", settings)
    diverged = load_file(tmp_path / "broken" / "line" / "diverged.safetensors")
    assert all(torch.equal(diverged[f"model.{name}"], value) for name, value in part.state_dict().items())
