"""The one training loop. What is trained, on what, by which loss is a :class:`Task`."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from hero_core.errors import HeroError
from trainer.config import TrainingConfig
from trainer.interrupts import interrupts
from trainer.log import TrainingLog
from trainer.run_folder import RunFolder
from trainer.schedules import learning_rate
from trainer.training_state import Best, Position, Tally, Trainee, load_training_state, save_training_state

BatchT = TypeVar("BatchT")


class Task(Protocol[BatchT]):
    """A model to train, the batches to train it on, and how good it is.

    Attributes:
        metric: the validation metric whose lowest value marks the best checkpoint.
        steps_per_epoch: batches in an epoch.
    """

    metric: str
    steps_per_epoch: int

    @property
    def module(self) -> nn.Module:
        """Everything that training changes."""
        ...

    def batches(self, start_step: int) -> Iterator[BatchT]:
        """Batches on the device, without end, after the first ``start_step`` ones."""
        ...

    def losses(self, batch: BatchT, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Named scalars; ``total`` is minimised, the others are logged."""
        ...

    def validate(self) -> Mapping[str, float]:
        """Named metrics on the validation pairs; called in evaluation mode, without gradients."""
        ...

    def save(self, folder: Path, metadata: Mapping[str, Any]) -> None:
        """Write a checkpoint folder."""
        ...


class Report(Protocol):
    """Is told after every step how much is done, of how much, and a few words."""

    def __call__(self, done: int, total: int, note: str = "") -> None: ...


class DivergenceError(HeroError):
    """A loss or a gradient became NaN or infinite. The checkpoints on disk are from before."""


class StoppedError(HeroError):
    """The user stopped the run. ``last/`` holds the step it stopped at."""


@dataclass(frozen=True)
class Run:
    """The circumstances of a training run.

    Attributes:
        identity: names and fingerprints of what a resumed run must share with the one it goes on from.
        metadata: what every checkpoint notes about its origin.
    """

    folder: RunFolder
    seed: int
    device: torch.device
    identity: Mapping[str, str]
    metadata: Mapping[str, Any]
    tensorboard: bool
    report: Report


@contextmanager
def reproducible(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global generators, which initial weights and dropout use, and compute deterministically on CPU.

    The caller's generators and setting come back afterwards.
    """
    before = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(before or device.type == "cpu")
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)


def train(task: Task[BatchT], settings: TrainingConfig, run: Run) -> Best:
    """Train until the settings say stop, from where ``last/`` stands if there is one.

    Inside :func:`reproducible`, a run that was killed at any step and resumed gives on CPU the same weights and
    the same log, bit for bit, as one that was not.

    Raises:
        DivergenceError: a loss is not finite.
        StoppedError: SIGINT or SIGTERM came; ``last/`` is saved.
        ConfigError: what ``last/`` goes on from is another run.
    """
    session = _Session(task, settings, run)
    with closing(session.log), interrupts() as interrupted:
        remaining = session.total_steps - session.position.step
        for batch in islice(task.batches(session.position.step), remaining):
            session.step(batch)
            if interrupted() and session.position.step < session.total_steps:
                session.save_last()
                raise StoppedError(
                    f"{run.folder.path}: stopped at step {session.position.step} of {session.total_steps}, saved"
                )
    assert session.position.best is not None  # training ends with a validation
    return session.position.best


class _Session(Generic[BatchT]):
    """The state of one call of :func:`train`."""

    def __init__(self, task: Task[BatchT], settings: TrainingConfig, run: Run) -> None:
        self.task, self.settings, self.run = task, settings, run
        self.total_steps = settings.total_steps(task.steps_per_epoch)
        self.parameters = [p for p in task.module.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(
            self.parameters, lr=settings.lr, betas=settings.betas, weight_decay=settings.weight_decay
        )
        rng = torch.Generator(run.device).manual_seed(run.seed)
        self.trainee = Trainee(task.module, optimizer, rng, run.device)
        self.position = Position()
        if run.folder.state.exists():
            self.position = load_training_state(run.folder.state, self.trainee, run.identity)
        board = run.folder.tensorboard if run.tensorboard else None
        self.log = TrainingLog(run.folder.log, self.position.step, board)
        self.clock = _Clock()
        self.last_loss = math.nan

    def step(self, batch: BatchT) -> None:
        """Learn from one batch, then whatever is due: log, validate, save."""
        self._learn(batch)
        step, last = self.position.step, self.position.step == self.total_steps
        evaluate_every = self.settings.evaluate_every_steps or self.task.steps_per_epoch
        if last or step % self.settings.log_every_steps == 0:
            self._log_losses()
        if last or step % evaluate_every == 0:
            with self.clock.paused():
                self._validate()
        if last or step % (self.settings.save_every_steps or evaluate_every) == 0:
            with self.clock.paused():
                self.save_last()
        self.run.report(step, self.total_steps, self._note())

    @property
    def epoch(self) -> int:
        """Which epoch the step belongs to, counted from 1, as steps are."""
        return (self.position.step - 1) // self.task.steps_per_epoch + 1

    def save_last(self) -> None:
        """Replace ``last/`` by a checkpoint of now, with all that is needed to go on."""

        def write(folder: Path) -> None:
            self.task.save(folder, self._metadata())
            path = folder / self.run.folder.state.name
            save_training_state(path, self.trainee, self.position, self.run.identity)

        self.run.folder.replace_last(write)

    def _learn(self, batch: BatchT) -> None:
        self.task.module.train()
        step = self.position.step + 1
        rate = learning_rate(self.settings, step)
        losses = self.task.losses(batch, self.trainee.rng)
        self.trainee.optimizer.zero_grad()
        losses["total"].backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.parameters, self.settings.gradient_clip or math.inf)
        values = _numbers({**losses, "gradient_norm": norm})
        self._require_finite(values, step)
        for group in self.trainee.optimizer.param_groups:
            group["lr"] = rate
        self.trainee.optimizer.step()
        self.position.step = step
        self.position.tally.add(values)
        self.clock.steps += 1

    def _log_losses(self) -> None:
        means = self.position.tally.means()
        rate = {"lr": learning_rate(self.settings, self.position.step)}
        speed = {"samples_per_second": round(self.clock.rate() * self.settings.batch_size, 1)}
        self.log.write("train", self.position.step, self.epoch, {**means, **rate, **speed})
        self.position.tally = Tally()
        self.clock = _Clock()
        self.last_loss = means["total"]

    def _validate(self) -> None:
        self.task.module.eval()
        with torch.no_grad():
            metrics = self.task.validate()
        step, best = self.position.step, self.position.best
        self._require_finite(metrics, step)
        value = metrics[self.task.metric]
        if best is None or value < best.value:
            self.position.best = Best(value, step)
            self.task.save(self.run.folder.best, self._metadata())
        self.log.write("validation", step, self.epoch, metrics)

    def _metadata(self) -> dict[str, Any]:
        best = self.position.best
        return {
            **self.run.metadata,
            "step": self.position.step,
            "epoch": self.epoch,
            "best": {"metric": self.task.metric, "value": best.value, "step": best.step} if best else None,
        }

    def _require_finite(self, values: Mapping[str, float], step: int) -> None:
        wrong = [name for name, value in values.items() if not math.isfinite(value)]
        if wrong:
            last = self.run.folder.last
            kept = f"{last} is from before" if last.exists() else "nothing was saved yet"
            raise DivergenceError(
                f"{self.run.folder.path}: {', '.join(wrong)} not finite at step {step}; {kept}; "
                "lower training.lr or set training.gradient_clip"
            )

    def _note(self) -> str:
        words = [f"epoch {self.epoch}", f"loss {self.last_loss:.4g}"]
        if self.position.best is not None:
            words.append(f"best {self.position.best.value:.4g} at {self.position.best.step}")
        return ", ".join(words)


class _Clock:
    """Steps a second of training, without the time of validating and saving."""

    def __init__(self) -> None:
        self.steps = 0
        self._started = time.perf_counter()

    def rate(self) -> float:
        """Steps a second since this clock was made."""
        return self.steps / max(time.perf_counter() - self._started, 1e-9)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time inside."""
        began = time.perf_counter()
        yield
        self._started += time.perf_counter() - began


def _numbers(values: Mapping[str, Tensor]) -> dict[str, float]:
    stacked = torch.stack([value.detach().float() for value in values.values()])  # one transfer for all
    return dict(zip(values, stacked.tolist(), strict=True))
