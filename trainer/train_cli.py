"""What ``hero-train`` does for parts that are named, and what it says meanwhile."""

import time
from collections.abc import Mapping, Sequence

import typer

from hero_core.cli import EXIT_STOPPED, console, error_console, progress_of_each, say
from hero_core.errors import ConfigError, HeroError
from hero_core.progress import Progress, duration
from hero_core.runs import EVALUATORS
from trainer.choices import ALL
from trainer.config import TrainConfig
from trainer.curves import draw_curves
from trainer.folder import PartFolder
from trainer.log import in_words
from trainer.loop import StoppedError
from trainer.preset_files import presets
from trainer.request import Request, of_motions
from trainer.runs import departures
from trainer.side_by_side import train_side_by_side
from trainer.state import Best, launched_by


def names_of(word: str, request: Request) -> tuple[str, ...]:
    """Parts that a word on the command line means.

    Raises:
        ConfigError: the generator has no such part, or none of them starts from other weights.
    """
    config = request.config
    if word not in (ALL, *config.names):
        raise ConfigError(f"{config.generator} has no part {word}; it has {', '.join(config.names)}")
    names = config.names if word == ALL else (word,)
    if request.finetune and word in EVALUATORS:
        raise ConfigError(
            f"--finetune starts a part of a generator from another's weights, and {word} is none"
        )
    if request.finetune and word == ALL and not any(of_motions(name, config) for name in names):
        raise ConfigError(
            f"--finetune with {ALL} starts the parts that learn from motions alone, and {config.generator} has none; "
            f"name the part that is to start: hero-train {names[-1]}"
        )
    return names


def earlier_parts(names: Sequence[str], config: TrainConfig) -> list[str]:
    """Parts of the generator before the last one of ``names`` that are not among them."""
    parts = [name for name in config.names if name not in EVALUATORS]
    last = max((parts.index(name) for name in names if name in parts), default=0)
    return [name for name in parts[:last] if name not in names]


def train_and_say(requests: Mapping[str, Request], word: str, measured: bool) -> None:
    """Train these parts side by side."""
    ranks = next(iter(requests.values())).ranks
    for name, request in requests.items():
        if not PartFolder(request.out, name).path.exists():
            for line in departures(name, request):
                _warn(line)
    try:
        with progress_of_each(list(requests)) as reports:
            if measured:
                reports = {name: _Measured(name, report) for name, report in reports.items()}
            bests = train_side_by_side(requests, reports)
    except HeroError as error:
        if ranks.first:
            for name, request in requests.items():
                PartFolder(request.out, name).note_stop()
        if not isinstance(error, StoppedError):
            raise
        request = next(iter(requests.values()))
        command = (
            f"{launched_by(ranks.world)}hero-train {word} {request.data.folder} --out {request.out} --resume"
        )
        error_console.print(f"{error}; go on with: {command}", highlight=False, markup=False, soft_wrap=True)
        ranks.wait()  # when one has ended, torchrun ends the others
        raise typer.Exit(EXIT_STOPPED) from None
    for name, best in bests.items():
        if ranks.first:
            _say_result(PartFolder(requests[name].out, name), best)


def _say_result(folder: PartFolder, best: Best | None) -> None:
    """What became of a part, where its checkpoint is, and its curves, which are drawn now."""
    if best is None:
        say(f"{folder.name}: finished already, {folder.best}")
        return
    metric = in_words(folder.description()["best"]["metric"])
    say(f"{folder.name}: best at step {best.step}, {metric} {best.value:.4g}, {folder.best}")
    try:
        say(f"{folder.name}: curves, {draw_curves(folder)}")
    except ConfigError as error:  # it is trained all the same
        _warn(str(error))


def announce(request: Request) -> None:
    """Say what is going to be trained, and how to do with less."""
    config = request.config
    names = ", ".join(config.names)
    preset, file = (request.settings_from.get(origin) for origin in ("preset", "file"))
    say(f"Training {names} of {config.generator} one after another, on the CPU; each says how long it takes.")
    settings = f"{preset or 'the defaults'}{f', then {file}' if file else ''}"
    say(f"Settings: {settings}; Ctrl-C stops, --resume goes on.")
    if "demo" in presets(config.generator) and preset != "demo" and not file:
        say("For small models, which train in minutes, choose --preset demo.")


class _Measured:
    """Passes progress on, and says once how long all of it will take.

    What counts is the time between the second report and the third: the first comes before the first step.
    """

    MEASURED = 3

    def __init__(self, name: str, report: Progress) -> None:
        self._name, self._report = name, report
        self._total = 0
        self._reports: list[tuple[int, float]] = []

    def __call__(self, done: int, total: int, note: str = "") -> None:
        self._report(done, total, note)
        if total != self._total:  # codes are counted before the steps are
            self._total, self._reports = total, []
        if len(self._reports) == self.MEASURED:
            return
        self._reports.append((done, time.monotonic()))
        if len(self._reports) == self.MEASURED:
            (before, began), (_, ended) = self._reports[1:]
            seconds = (ended - began) / max(1, done - before)
            left = duration(seconds * (total - done))
            say(f"{self._name}: {total} steps of {seconds:.2g} s, about {left} to go")


def _warn(line: str) -> None:
    console.print(f"warning: {line}", style="yellow", highlight=False, markup=False, soft_wrap=True)
