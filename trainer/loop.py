"""The one training loop: batches go through a part's ``losses``, and its weights follow the gradient."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils import deterministic

from hero_core.errors import ConfigError, HeroError
from hero_core.models.base import Batch
from hero_core.models.checkpoint import Network, save_network
from hero_core.progress import Progress
from trainer.batches import Batches
from trainer.config import TrainingConfig
from trainer.encoded import EncodedMotions
from trainer.folder import PartFolder
from trainer.interrupts import interrupts
from trainer.log import TrainingLog
from trainer.schedules import learning_rate
from trainer.state import Best, Tally, TrainingState

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
        network: what of the part a checkpoint keeps; the part itself, but for the evaluator.
        batches: to learn from.
        scorer: what chooses the best checkpoint; None for the part's own metric.
        encoded: what the frozen earlier part makes of the motions; None where nothing is needed.
        training: settings.
        seed: of the part's draws.
        device: where to compute.
        identity: names and fingerprints of what a resumed run must share with the one it goes on from.
        metadata: what every checkpoint notes about its origin.
        tensorboard: whether to write event files too.
    """

    folder: PartFolder
    part: Any
    network: Network
    batches: Batches
    encoded: EncodedMotions | None
    scorer: Scorer | None
    training: TrainingConfig
    seed: int
    device: torch.device
    identity: Mapping[str, str]
    metadata: Mapping[str, Any]
    tensorboard: bool = False

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

    def ready(self, batch: Batch) -> Batch:
        """A batch on the device, its motions encoded if the part wants that."""
        batch = batch.to(self.device)
        return batch if self.encoded is None else replace(batch, encoded=self.encoded.of(batch))


@contextmanager
def reproducible(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global generators, which initial weights and dropout use, and compute deterministically on CPU.

    The caller's generators and settings come back afterwards.
    """
    before = torch.are_deterministic_algorithms_enabled()
    memory: Any = deterministic  # its type stubs lack the setting
    filled = memory.fill_uninitialized_memory
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(before or device.type == "cpu")
        memory.fill_uninitialized_memory = False  # nothing here reads what it has not written
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)
            memory.fill_uninitialized_memory = filled


def train(run: Run, report: Progress) -> Best:
    """Train until the settings say stop, from where the training state on disk stands if there is one.

    Inside :func:`reproducible`, a run that was killed at any step and resumed gives on CPU the same weights and
    the same log, bit for bit, as one that was not.

    Raises:
        DivergenceError: a loss is not finite.
        StoppedError: SIGINT or SIGTERM came; the training state is saved.
        ConfigError: what the training state goes on from is another run, or further than the settings say.
    """
    state = _begin(run)
    settings, total = run.training, run.total_steps
    evaluate_every = settings.evaluate_every_steps or run.batches.order.steps_per_epoch
    save_every = settings.save_every_steps or evaluate_every
    log = TrainingLog(run.folder.log, state.step, run.folder.tensorboard if run.tensorboard else None)
    with closing(log), interrupts() as interrupted:
        steps, seconds = 0, 0.0  # of training since the last line, without validating and saving
        began = time.perf_counter()
        for batch in islice(run.batches.train(state.step), total - state.step):
            loss = _learn(run, state, run.ready(batch))
            last = state.step == total
            steps, seconds = steps + 1, seconds + time.perf_counter() - began
            if last or state.step % settings.log_every_steps == 0:
                _log_losses(run, state, log, steps * settings.batch_size / max(seconds, 1e-9))
                steps, seconds = 0, 0.0
            if last or state.step % evaluate_every == 0:
                _validate(run, state, log)
            if last or state.step % save_every == 0:
                _save(run, state)
            report(state.step, total, _note(run, state, loss))
            if interrupted() and not last:
                _save(run, state)
                raise StoppedError(f"{run.folder.path}: stopped at step {state.step} of {total}, saved")
            began = time.perf_counter()
    assert state.best is not None  # training ends with a validation
    return state.best


def _begin(run: Run) -> TrainingState:
    settings = run.training
    optimizer = torch.optim.AdamW(
        _weights(run.part),
        lr=settings.lr,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    rng = torch.Generator(run.device).manual_seed(run.seed)
    state = TrainingState(run.part, optimizer, rng, run.device)
    if run.folder.state.exists():
        state.load(run.folder.state, run.identity)
    if state.step > run.total_steps:
        raise ConfigError(
            f"{run.folder.path}: at step {state.step} already, beyond the {run.total_steps} of the settings"
        )
    return state


def _learn(run: Run, state: TrainingState, batch: Batch) -> float:
    """One step; returns the loss."""
    run.part.train()
    losses = run.part.losses(batch, state.rng)
    state.optimizer.zero_grad()
    losses["total"].backward()
    norm = nn.utils.clip_grad_norm_(_weights(run.part), run.training.gradient_clip or math.inf)
    values = _numbers({**losses, "gradient_norm": norm})
    _require_finite(values, run, state.step + 1)
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(run.training, state.step + 1)
    state.optimizer.step()
    state.step += 1
    state.tally.add(values)
    return values["total"]


def _validate(run: Run, state: TrainingState, log: TrainingLog) -> None:
    """Mean losses on the validation motions, with draws that never change, and the scorer's numbers.

    The best checkpoint so far is kept.
    """
    run.part.eval()
    rng = torch.Generator(run.device).manual_seed(VALIDATION_SEED)
    sums: dict[str, float] = {}
    total = 0
    with torch.no_grad():
        for weight, batch in run.batches.validation():
            batch = run.ready(batch)
            for _ in range(run.part.validation_draws):
                for name, value in run.part.losses(batch, rng).items():
                    sums[name] = sums.get(name, 0.0) + float(value) * weight
                total += weight
    metrics = {name: value / total for name, value in sums.items()}
    if run.scorer is not None:
        metrics |= run.scorer(run.part)
    _require_finite(metrics, run, state.step)
    value = metrics[run.metric]
    if state.best is None or value < state.best.value:
        state.best = Best(value, state.step)
        save_network(run.folder.best, run.network, _metadata(run, state))
    log.write("validation", state.step, run.epoch(state.step), metrics)


def _log_losses(run: Run, state: TrainingState, log: TrainingLog, samples_per_second: float) -> None:
    rate = {"lr": learning_rate(run.training, state.step)}
    speed = {"samples_per_second": round(samples_per_second, 1)}
    log.write("train", state.step, run.epoch(state.step), {**state.tally.means(), **rate, **speed})
    state.tally = Tally()


def _save(run: Run, state: TrainingState) -> None:
    """The newest checkpoint, then all that is needed to go on; killed in between, a run goes on from before."""
    save_network(run.folder.last, run.network, _metadata(run, state))
    state.save(run.folder.state, run.identity)


def _metadata(run: Run, state: TrainingState) -> dict[str, Any]:
    best = state.best
    return {
        **run.metadata,
        "step": state.step,
        "epoch": run.epoch(state.step),
        "best": {"metric": run.metric, "value": best.value, "step": best.step} if best else None,
    }


def _require_finite(values: Mapping[str, float], run: Run, step: int) -> None:
    wrong = [name for name, value in values.items() if not math.isfinite(value)]
    if wrong:
        last = run.folder.last
        kept = f"{last} is from before" if last.exists() else "nothing was saved yet"
        raise DivergenceError(
            f"{run.folder.path}: {', '.join(wrong)} not finite at step {step}; {kept}; "
            "lower training.lr or set training.gradient_clip"
        )


def _note(run: Run, state: TrainingState, loss: float) -> str:
    words = [f"epoch {run.epoch(state.step)}", f"loss {loss:.4g}"]
    if state.best is not None:
        words.append(f"best {state.best.value:.4g} at {state.best.step}")
    return ", ".join(words)


def _weights(part: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in part.parameters() if parameter.requires_grad]


def _numbers(values: Mapping[str, Tensor]) -> dict[str, float]:
    stacked = torch.stack([value.detach().float() for value in values.values()])  # one transfer for all
    return dict(zip(values, stacked.tolist(), strict=True))
