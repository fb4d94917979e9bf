"""How far every part of a run is, read from its folders; they may be written to at the same time."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from hero_core.errors import HeroError
from hero_core.models.base import generator_class, optional_parts
from hero_core.models.checkpoint import read_header
from hero_core.progress import duration
from hero_core.runs import generator_of
from trainer.folder import STOPPED, PartFolder, parts_of
from trainer.log import in_words, read_log
from trainer.state import PROCESSES, launched_by

State = Literal["finished", "imported", "running", "stopped", "not begun"]

PATIENCE_SECONDS = 180.0
"""So long a running part may write nothing, e.g. while it validates; longer if its lines are far apart."""

_LINES = 5  # of the log, after as many of which without one a part is thought to be dead


@dataclass(frozen=True)
class PartStatus:
    """One part of a run; None is what is not known, or not yet.

    Attributes:
        name: of the part.
        state: a part that was killed is ``running`` until it has been silent for long.
        step: the last that is known of.
        total: steps to train.
        saved_step: where ``--resume`` goes on.
        loss: of training, the newest.
        accuracy: of training, the newest.
        metric: name of what chooses the best checkpoint.
        validation: the newest value of the metric.
        best: the best value of the metric.
        best_step: and its step.
        samples_per_second: of training, the newest.
        data_wait: share of the time in which training waited for data, the newest.
        seconds_left: to the end of training at this rate, without validation.
        device: what it was trained on.
        processes: that train it together.
        silent_seconds: since it last wrote something.
        data: folder of the training set.
        on_motions_alone: whether that has no videos.
        optional: whether the generator does without it, too.
    """

    name: str
    state: State
    step: int | None = None
    total: int | None = None
    saved_step: int | None = None
    loss: float | None = None
    accuracy: float | None = None
    metric: str | None = None
    validation: float | None = None
    best: float | None = None
    best_step: int | None = None
    samples_per_second: float | None = None
    data_wait: float | None = None
    seconds_left: float | None = None
    device: str | None = None
    processes: int = 1
    silent_seconds: float | None = None
    data: str | None = None
    on_motions_alone: bool = False
    optional: bool = False

    @property
    def complete(self) -> bool:
        """Whether nothing is left to train."""
        return self.state in ("finished", "imported")

    def words(self) -> dict[str, str]:
        """What there is to say, by what it is about; empty where nothing is known."""
        saved = self.saved_step if self.state == "stopped" and self.saved_step != self.step else None
        metric = in_words(self.metric or "")
        best = _number(self.best)
        return {
            "part": self.name,
            "state": self.state,
            "step": _number(self.step) and f"{self.step}/{'?' if self.total is None else self.total}",
            "saved at": _number(saved),
            "loss": _number(self.loss),
            "accuracy": _number(self.accuracy),
            "validation": _number(self.validation) and f"{metric} {_number(self.validation)}",
            "best": best and f"{best} at {self.best_step}",
            "samples/s": _number(self.samples_per_second),
            "data wait": "" if self.data_wait is None else f"{self.data_wait:.0%}",
            "left": "" if self.seconds_left is None else duration(self.seconds_left),
            "device": self.device or "",
            "wrote": "" if self.silent_seconds is None else f"{duration(self.silent_seconds)} ago",
        }


def run_status(run: Path, now: float) -> list[PartStatus]:
    """Every part of a run in training order; ``now`` in seconds since the epoch.

    Raises:
        InputError: there is no run, or one of its files is damaged.
        ManifestError: it is of another version.
    """
    folders = parts_of(run)
    optional = optional_parts(generator_class(str(generator_of(folders[0].path.parent))))
    return [replace(part_status(folder, now), optional=folder.name in optional) for folder in folders]


def part_status(folder: PartFolder, now: float) -> PartStatus:
    """One part; see :func:`run_status`."""
    wrote = _last_write(folder)
    if wrote is None:
        return PartStatus(folder.name, "not begun")
    silent = max(0.0, now - wrote)
    if folder.imported:
        return PartStatus(folder.name, "imported", silent_seconds=silent)
    described, lines = folder.description(), read_log(folder.log)
    training = [line for line in lines if line.get("phase") == "train"]
    validations = [line for line in lines if line.get("phase") == "validation"]
    newest: Mapping[str, Any] = training[-1] if training else {}
    saved, best = _saved_step(folder), _best(folder)
    step, total = max(newest.get("step", 0), saved or 0), described.get("steps")
    step_seconds = _step_seconds(folder, newest.get("samples_per_second"))
    state = _state(folder, described, silent, step_seconds, training)
    left = None if step_seconds is None or total is None else step_seconds * max(0, total - step)
    metric = best.get("metric")
    return PartStatus(
        name=folder.name,
        state=state,
        step=step,
        total=total,
        saved_step=saved,
        loss=newest.get("total"),
        accuracy=newest.get("accuracy"),
        metric=metric,
        validation=validations[-1].get(metric) if validations and metric else None,
        best=best.get("value"),
        best_step=best.get("step"),
        samples_per_second=newest.get("samples_per_second"),
        data_wait=newest.get("data_wait"),
        seconds_left=None if state == "finished" else left,
        device=described.get("device"),
        processes=int(described.get("identity", {}).get(PROCESSES, 1)),
        silent_seconds=silent,
        data=described.get("data_folder"),
        on_motions_alone=(described.get("data") or {}).get("features", ...) is None,
    )


def how_to_go_on(run: Path, parts: Sequence[PartStatus]) -> str | None:
    """The command that trains what is left; None if nothing has to be, as far as the data of the run goes."""
    alone = any(part.on_motions_alone for part in parts)  # which the parts not begun are not trained on
    left = [part for part in parts if not part.complete and not (alone and part.state == "not begun")]
    if all(part.optional and part.state == "not begun" for part in left):
        return None
    data = next((part.data for part in (*left, *reversed(parts)) if part.data), None)
    word = left[0].name if len(left) == 1 else "all"
    launch = launched_by(max(part.processes for part in left))
    place = shlex.quote(data) if data else "DATA"
    return f"{launch}hero-train {word} {place} --out {shlex.quote(str(run))} --resume"


def _state(
    folder: PartFolder,
    described: Mapping[str, Any],
    silent_seconds: float,
    step_seconds: float | None,
    training: Sequence[Mapping[str, Any]],
) -> State:
    if folder.finished:
        return "finished"
    patience = PATIENCE_SECONDS
    if step_seconds is not None and len(training) > 1:
        steps = training[-1].get("step", 0) - training[-2].get("step", 0)
        patience = max(patience, _LINES * steps * step_seconds)
    return "stopped" if described.get(STOPPED) or silent_seconds > patience else "running"


def _step_seconds(folder: PartFolder, samples_per_second: float | None) -> float | None:
    if not samples_per_second:
        return None
    try:
        config = folder.stored_config()
    except HeroError:  # settings of another version: the rest can be told
        return None
    return None if config is None else config.section(folder.name).training.batch_size / samples_per_second


def _saved_step(folder: PartFolder) -> int | None:
    try:
        position = read_header(folder.state).get("position") or {}
    except HeroError:  # not there yet, or damaged, which --resume explains
        return None
    step: int | None = position.get("step")
    return step


def _best(folder: PartFolder) -> Mapping[str, Any]:
    try:
        return folder.best_so_far() or {}
    except HeroError:
        return {}


def _last_write(folder: PartFolder) -> float | None:
    times = []
    for path in (folder.run_file, folder.log, folder.state, folder.last, folder.best):
        try:
            times.append(path.stat().st_mtime)
        except FileNotFoundError:
            continue
    return max(times, default=None)


def _number(value: float | None) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.4g}"
