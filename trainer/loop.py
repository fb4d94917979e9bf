"""The one training loop: batches go through a part's ``losses``, and its weights follow the gradient."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from hero_core.device import memory_megabytes
from hero_core.errors import ConfigError, HeroError
from hero_core.models.base import Batch
from hero_core.models.checkpoint import Network, Snapshot, checkpoint_of
from hero_core.models.ranks import ALONE, Ranks
from hero_core.progress import Progress
from hero_core.storage import write_bytes
from trainer.arithmetic import matrix_products
from trainer.averages import Averages
from trainer.config import TrainingConfig
from trainer.data.batches import Batches
from trainer.folder import PartFolder
from trainer.interrupts import interrupts
from trainer.log import Phase, TrainingLog
from trainer.schedules import learning_rate
from trainer.state import Best, Tally, TrainingState
from trainer.steps import Step, optimizer_of, step_of
from trainer.writer import Writer

VALIDATION_SEED = 0


class DivergenceError(HeroError):
    """A loss or a gradient became NaN or infinite. The checkpoints on disk are from before."""


class StoppedError(HeroError):
    """The user stopped the run. The training state on disk is of the step it stopped at."""


class Scorer(Protocol):
    """Scores a part in training by more than its losses: by the reactions it would give.

    Attributes:
        metric: the number that marks the best checkpoint by its lowest value.
    """

    metric: str

    def __call__(self, part: Any) -> dict[str, float]:
        """Numbers of a part in evaluation mode; the same for the same weights."""
        ...


@dataclass(frozen=True)
class Run:
    """One part, ready to train.

    Attributes:
        folder: gets its files.
        part: a :class:`hero_core.models.base.Part`, on the device.
        network: what of the part a checkpoint keeps; the part itself, but for the evaluators.
        batches: to learn from, on the device.
        scorer: what chooses the best checkpoint; None for the part's own metric.
        training: settings.
        seed: of the part's draws.
        device: where to compute.
        identity: names and fingerprints of what a resumed run must share with the one it goes on from.
        metadata: what every checkpoint notes about its origin.
        tensorboard: whether to write event files too.
        ranks: the processes that train this together, of which the first writes the files and validates.
    """

    folder: PartFolder
    part: Any
    network: Network
    batches: Batches
    scorer: Scorer | None
    training: TrainingConfig
    seed: int
    device: torch.device
    identity: Mapping[str, str]
    metadata: Mapping[str, Any]
    tensorboard: bool = False
    ranks: Ranks = ALONE

    @property
    def total_steps(self) -> int:
        """Batches in all."""
        return self.training.total_steps(self.batches.order.steps_per_epoch)

    @property
    def metric(self) -> str:
        """Name of the number that marks the best checkpoint by its lowest value."""
        return self.part.metric if self.scorer is None else self.scorer.metric

    def epoch(self, step: int) -> int:
        """Which epoch a step belongs to, both counted from 1."""
        return (step - 1) // self.batches.order.steps_per_epoch + 1


def train(run: Run, report: Progress) -> Best:
    """Train until the settings say stop, from where the training state on disk stands if there is one.

    Inside :func:`reproducible`, a run that was killed at any step and resumed gives on CPU the same weights and
    the same log, bit for bit, as one that was not.

    Raises:
        DivergenceError: a loss is not finite.
        StoppedError: SIGINT or SIGTERM came, to one of the ranks at least; the training state is saved.
        ConfigError: what the training state goes on from is another run, or further than the settings say.
    """
    state = _begin(run)
    total = run.total_steps
    step = step_of(run.part, state, run.training, run.device)
    with (
        matrix_products(run.training),
        _log(run, state) as log,
        interrupts() as interrupted,
        Writer() as writer,
    ):
        training = _Training(run, state, log, writer, step)
        report(state.step, total, run.batches.reading)
        for batch in training.timed(islice(run.batches.train(state.step), total - state.step)):
            training.learn(batch)
            if training.due(run.training.log_every_steps):
                report(state.step, total, training.note())
            if run.ranks.any(interrupted()) and state.step < total:
                training.save()
                writer.wait()  # before anyone is told that it is saved
                raise StoppedError(f"{run.folder.path}: stopped at step {state.step} of {total}, saved")
    assert state.best is not None  # training ends with a validation
    return state.best


def _begin(run: Run) -> TrainingState:
    rng = torch.Generator(run.device).manual_seed(run.seed)
    decay = run.training.average_decay
    state = TrainingState(
        run.part,
        optimizer_of(run.part, run.training, run.device),
        rng,
        run.device,
        None if decay is None else Averages(run.part, decay, run.training.average_warmup),
        ranks=run.ranks,
    )
    if not run.ranks.first:  # the initial weights are there, and dropout is to be each rank's own
        torch.manual_seed(_seed_of(run))
    if run.folder.state.exists():
        state.load(run.folder.state, run.identity)
    if state.step > run.total_steps:
        raise ConfigError(
            f"{run.folder.path}: at step {state.step} already, beyond the {run.total_steps} of the settings"
        )
    return state


def _seed_of(run: Run) -> int:
    return int(np.random.SeedSequence([run.seed, run.ranks.rank]).generate_state(1)[0])


def _log(run: Run, state: TrainingState) -> AbstractContextManager[TrainingLog | None]:
    if not run.ranks.first:
        return nullcontext()
    return closing(
        TrainingLog(run.folder.log, state.step, run.folder.tensorboard if run.tensorboard else None)
    )


@dataclass
class _Training:
    """What happens between the first step and the last.

    Losses stay on the device until they are looked at: on a CPU after every step, on a GPU, which would have to wait,
    when something is written.
    """

    run: Run
    state: TrainingState
    log: TrainingLog | None
    writer: Writer
    step: Step
    latest: Mapping[str, float] = field(default_factory=dict)
    _unread: list[tuple[tuple[str, ...], Tensor]] = field(default_factory=list)  # keys of the batch, values
    _clock: "_Clock" = field(default_factory=lambda: _Clock())

    def timed(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The same batches; how long each was waited for is noted."""
        while True:
            with self._clock.waiting():
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def learn(self, batch: Batch) -> None:
        """One step, and what is due after it."""
        run, state = self.run, self.state
        with self._clock.working():
            self._unread.append((batch.keys, self.step(batch)))
            state.step += 1
            if state.averages is not None:
                state.averages.update(state.step)
            log, evaluate, save = (self.due(every) for every in self._intervals())
            if log or evaluate or save or run.device.type == "cpu":
                self._read()
        if log:
            self._log_losses()
        if evaluate:
            self._validate()
        if save:
            self.save()

    def due(self, every_steps: int) -> bool:
        """Whether this is one of every so many steps, or the last."""
        return self.state.step % every_steps == 0 or self.state.step == self.run.total_steps

    def save(self) -> None:
        """The newest checkpoint, then all that is needed to go on; killed in between, a run goes on from before."""
        self._read()
        folder, state = self.run.folder, self.state.snapshot(self.run.identity)
        if self.run.ranks.first:
            self.writer.write((folder.last, self._checkpoint()), (folder.state, state))

    def note(self) -> str:
        """How it goes, in a few words."""
        loss, best = self.latest.get("total"), self.state.best
        words = [f"epoch {self.run.epoch(self.state.step)}"]
        words += [] if loss is None else [f"loss {loss:.4g}"]
        words += [f"accuracy {self.latest['accuracy']:.3f}"] if "accuracy" in self.latest else []
        words += [f"lr {learning_rate(self.run.training, self.state.step):.2g}"]
        memory = memory_megabytes(self.run.device)
        words += [f"data wait {self._clock.waited_share:.0%}"]
        words += [] if memory is None else [f"{memory} MB"]
        words += [] if best is None else [f"best {best.value:.4g} at {best.step}"]
        return ", ".join(words)

    def _intervals(self) -> tuple[int, int, int]:
        """Steps between two lines of the log, two validations, and two saves."""
        training = self.run.training
        epochs = training.evaluate_every_epochs * self.run.batches.order.steps_per_epoch
        evaluate_every = training.evaluate_every_steps or epochs
        return training.log_every_steps, evaluate_every, training.save_every_steps or evaluate_every

    def _read(self) -> None:
        """Take the losses of the latest steps from the device."""
        if not self._unread:
            return
        rows = torch.stack([values for _, values in self._unread]).tolist()  # one transfer for all
        first = self.state.step - len(rows) + 1
        for step, (row, (keys, _)) in enumerate(zip(rows, self._unread, strict=True), first):
            values = dict(zip(self.step.names, row, strict=True))
            self._require_finite(values, step, keys)
            self.state.tally.add(values)
            self.latest = values
        self._unread.clear()

    def _log_losses(self) -> None:
        state, run = self.state, self.run
        values = {**state.tally.means(), "lr": learning_rate(run.training, state.step)}
        speed = self._clock.since_last(run.training.batch_size)
        self._write("train", {**values, **speed})
        state.tally = Tally()

    def _validate(self) -> None:
        """Mean losses on the validation motions, with draws that never change, and the scorer's numbers.

        Computed as the part will be used, in float32; nothing is compiled for it. The best checkpoint so far is kept.
        """
        run, state = self.run, self.state
        run.part.eval()
        with self._evaluated_weights(), torch.compiler.set_stance("force_eager"):
            metrics = run.ranks.on_first(partial(_metrics, run))
        self._require_finite(metrics, state.step, ())
        value = metrics[run.metric]
        if state.best is None or value < state.best.value:
            state.best = Best(value, state.step)
            if run.ranks.first:
                self.writer.write((run.folder.best, self._checkpoint()))
        self._write("validation", metrics)

    def _write(self, phase: Phase, values: Mapping[str, float]) -> None:
        step = self.state.step
        if self.log is not None:
            self.log.write(phase, step, self.run.epoch(step), values)

    def _evaluated_weights(self) -> AbstractContextManager[None]:
        """Where they are kept, the averages stand in for the weights."""
        return nullcontext() if self.state.averages is None else self.state.averages.applied()

    def _checkpoint(self) -> Snapshot:
        with self._evaluated_weights():
            return checkpoint_of(self.run.network, self._metadata())

    def _metadata(self) -> dict[str, Any]:
        best, run, step = self.state.best, self.run, self.state.step
        return {
            **run.metadata,
            "step": step,
            "epoch": run.epoch(step),
            "best": {"metric": run.metric, "value": best.value, "step": best.step} if best else None,
        }

    def _require_finite(self, values: Mapping[str, float], step: int, keys: tuple[str, ...]) -> None:
        wrong = [name for name, value in values.items() if not math.isfinite(value)]
        if not wrong:
            return
        folder, state = self.run.folder, self.state.snapshot(self.run.identity)
        self.writer.wait()  # for what was saved before
        if self.run.ranks.first:
            write_bytes(folder.diverged, state.to_bytes())
        kept = f"{folder.last} is from before" if folder.last.exists() else "nothing was saved before"
        batch = f", on {', '.join(keys)}" if keys else ""
        raise DivergenceError(
            f"{folder.path}: {', '.join(wrong)} not finite at step {step}{batch}; {kept}; the weights that gave this "
            f"are in {folder.diverged}; lower training.lr or set training.gradient_clip"
        )


def _metrics(run: Run) -> dict[str, float]:
    """What a part is judged by: its losses, and the scorer's numbers."""
    losses = validation_losses(run)
    return losses if run.scorer is None else losses | run.scorer(run.part)


def validation_losses(run: Run) -> dict[str, float]:
    """Mean losses of a part in evaluation mode on the validation motions, with draws that never change."""
    rng = torch.Generator(run.device).manual_seed(VALIDATION_SEED)
    sums: dict[str, Tensor] = {}
    total = 0
    with torch.no_grad():
        for weight, batch in run.batches.validation():
            for _ in range(run.part.validation_draws):
                for name, value in run.part.losses(batch, rng).items():
                    sums[name] = sums.get(name, torch.zeros_like(value)).double() + value.double() * weight
                total += weight
    return {name: float(value) / total for name, value in sums.items()}


class _Clock:
    """Time spent on training, without validating and saving, since the last line of the log."""

    def __init__(self) -> None:
        self._steps, self._waited, self._worked = 0, 0.0, 0.0
        self.waited_share = 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """For a batch."""
        began = time.perf_counter()
        yield
        self._waited += time.perf_counter() - began

    @contextmanager
    def working(self) -> Iterator[None]:
        """On one step."""
        began = time.perf_counter()
        yield
        self._worked += time.perf_counter() - began
        self._steps += 1

    def since_last(self, batch_size: int) -> dict[str, float]:
        """Samples per second, and which share of the time went into waiting for them; starts anew."""
        seconds = max(self._waited + self._worked, 1e-9)
        self.waited_share = self._waited / seconds
        speed = {
            "samples_per_second": round(self._steps * batch_size / seconds, 1),
            "data_wait": round(self.waited_share, 4),
        }
        self._steps, self._waited, self._worked = 0, 0.0, 0.0
        return speed
