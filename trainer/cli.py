"""The ``hero-train`` command."""

import copy
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hero_core.cli import VersionOption, console, error_console, print_table, progress_of_each, run
from hero_core.device import DeviceName, choose_device
from hero_core.errors import ConfigError, HeroError, InputError
from hero_core.models.base import part_names
from hero_core.official.find import TITLES, Which
from hero_core.official.import_run import import_official
from hero_core.progress import Progress, duration
from hero_core.runs import EVALUATOR, EVALUATORS, JOINT_EVALUATOR
from hero_core.training_set import TrainingSet
from trainer.config import DEFAULT_GENERATOR, TrainConfig, load_train_config, preset_of, presets
from trainer.curves import draw_curves
from trainer.explain import explained
from trainer.folder import PartFolder, parts_of, settings_for
from trainer.log import in_words
from trainer.loop import StoppedError
from trainer.runs import Request, check, departures, part_class, take_part
from trainer.side_by_side import rounds, train_side_by_side
from trainer.state import Best, launched_by
from trainer.status import how_to_go_on, run_status
from trainer.torchrun_cli import launched

EXIT_STOPPED = 130
ALL = "all"


class _Parts(TyperGroup):
    """The command line with one command for every part of every generator; they are all the same one."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        train = self.commands.pop("train")
        helps = {
            **{name: f"Train {name}, a part of the generator." for name in part_names()},
            EVALUATOR: "Train an evaluator, where the official one is not to be had.",
            JOINT_EVALUATOR: "Train another evaluator, which sees joints only.",
            ALL: "Train all parts and both evaluators, one after another; --resume skips what is finished.",
        }
        for name, text in reversed(helps.items()):
            command = copy.copy(train)
            command.name, command.help = name, text
            self.commands = {name: command, **self.commands}


app = typer.Typer(
    cls=_Parts,
    help="Training sets in, weights out. Each part of a run gets a folder that explains itself and can be resumed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

GeneratorOption = Annotated[
    str | None,
    typer.Option(
        "--generator", help=f"What to train, {DEFAULT_GENERATOR} unless named; an existing run keeps its own."
    ),
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        help="Settings to start from: for hero, paper (the default), official for what the release's code does, or "
        "demo for small models."
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="TOML file with settings that replace the preset's; or RUN/PART/config.json, all of what that was trained "
        "with.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting, e.g. --set masked.training.steps=500; repeatable."),
]
RunArgument = Annotated[Path, typer.Argument(help="Run folder, which hero-train was given as --out.")]


def main() -> None:
    """Entry point."""
    run(app)


@app.callback()
def _hero_train(version: VersionOption = False) -> None:
    pass


@app.command("train")
def train_command(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="Training set that hero-pipeline build-pairs made.")],
    out: Annotated[Path, typer.Option("--out", help="Run folder; the parts of a run share it.")],
    generator: GeneratorOption = None,
    preset: PresetOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with this run exactly where it stopped, with its settings; more steps extend it.",
        ),
    ] = False,
    device: Annotated[DeviceName, typer.Option(help="Where to compute.")] = "auto",
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of weights, order, crops, masks and dropout.")
    ] = None,
    finetune: Annotated[
        Path | None,
        typer.Option(
            help="Run or checkpoint to start from: a part that is named from the same part there, with all only those "
            "that learn from motions alone, such as a tokenizer. The sizes of its model come along."
        ),
    ] = None,
    parts_from: Annotated[
        Path | None,
        typer.Option(
            help="Run to copy from: parts that come before, and those that would come out the same."
        ),
    ] = None,
    parallel: Annotated[
        bool,
        typer.Option(
            "--parallel",
            help="Train parts that do not need each other side by side, each in a process of its own; the device has "
            "to have the memory for both.",
        ),
    ] = False,
) -> None:
    """Train one part of a generator, or all."""
    word = str(context.info_name)
    overrides = [*(settings or []), *([] if seed is None else [f"seed={seed}"])]
    training_set = TrainingSet(data)
    ranks, computing = context.with_resource(launched(choose_device(device)))
    if parallel and ranks.group is not None:
        raise ConfigError(
            "--parallel trains several parts at a time, torchrun one on several GPUs: choose one of them"
        )

    def request(name: str) -> Request:
        chosen, origin = settings_for(name, out, generator, preset, config, overrides, parts_from)
        start = None if word == ALL and name != ALL and not _of_motions(name, chosen) else finetune
        return Request(training_set, out, chosen, computing, origin, resume, start, ranks)

    whole = request(word)
    names = _names(word, whole)
    requests = {name: request(name) for name in names}
    earlier = _earlier(names, whole.config) if parts_from else []
    for index, name in enumerate(names):  # refuse before the first part has trained for hours
        check(name, requests[name], [*earlier, *names[:index]])
    ranks.wait()  # for those that still check what is written from now on
    unforeseen = word == ALL and preset is None and computing.type == "cpu"
    if unforeseen and not resume:
        _announce(whole)
    for name in earlier:
        if parts_from and take_part(name, whole, parts_from, only_same=False):
            _say(f"{name}: taken from {parts_from}")
    for group in rounds(names, requests) if parallel else [[name] for name in names]:
        left = {name: requests[name] for name in group}
        for name in group:
            if parts_from and take_part(name, requests[name], parts_from, only_same=True):
                _say(f"{name}: taken from {parts_from}, as training here would give the same")
                del left[name]
        if left:
            _train(left, word, measured=unforeseen)


@app.command("import-official")
def import_command(
    source: Annotated[Path, typer.Argument(help="The folder of a release, one model's in it, or one file.")],
    out: Annotated[Path, typer.Argument(help="Run folder to write.")],
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--name", help="Which of several models to take, e.g. --name residual=rtrans_name; repeatable."
        ),
    ] = None,
    which: Annotated[Which, typer.Option(help="Which of a model's files to take.")] = "best",
    generator: Annotated[
        str, typer.Option("--generator", help=f"Whose weights they are: {', '.join(TITLES)}.")
    ] = DEFAULT_GENERATOR,
    meta: Annotated[
        Path | None,
        typer.Option(
            help="Of t2mgpt, mdm and mld: folder with the mean and the deviation that they normalise motions by, where "
            "these do not lie beside the weights."
        ),
    ] = None,
) -> None:
    """Convert published weights of HERO or of another generator to a run folder."""
    chosen = dict(map(_name, names or []))
    for line in import_official(source, out, chosen, which, generator, meta).lines():
        _say(line)


@app.command("settings")
def settings_command(generator: GeneratorOption = None, preset: PresetOption = None) -> None:
    """Print all settings as TOML, each explained; edited, it is a file for --config."""
    config = load_train_config(generator, preset)
    name = preset_of(config.generator, preset)
    words = f"--generator {config.generator}" + (f" --preset {name}" if name else "")
    typer.echo(
        f"# Change or remove lines, then: hero-train {ALL} DATA --out RUN {words} --config THIS_FILE\n"
    )
    typer.echo(explained(config), nl=False)


@app.command("status")
def status_command(run: RunArgument) -> None:
    """Say how far every part of a run is, and how to go on; also while it is being trained."""
    parts = run_status(run, time.time())
    print_table([part.words() for part in parts])
    if command := how_to_go_on(run, parts):
        running = [part.name for part in parts if part.state == "running"]
        _say(f"{f'if {running[0]} does not run any more, ' if running else ''}go on with: {command}")


@app.command("curves")
def curves_command(run: RunArgument) -> None:
    """Draw the learning curves of every part of a run into its folder, from its log."""
    drawn = [draw_curves(folder) for folder in parts_of(run)]
    if not any(drawn):
        raise InputError(f"{run}: nothing was logged yet, so there is nothing to draw")
    for path in filter(None, drawn):
        _say(f"written: {path}")


def _names(word: str, request: Request) -> tuple[str, ...]:
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
    if request.finetune and word == ALL and not any(_of_motions(name, config) for name in names):
        raise ConfigError(
            f"--finetune with {ALL} starts the parts that learn from motions alone, and {config.generator} has none; "
            f"name the part that is to start: hero-train {names[-1]}"
        )
    return names


def _of_motions(name: str, config: TrainConfig) -> bool:
    return bool(part_class(config, name).trained_on != "pairs")


def _earlier(names: Sequence[str], config: TrainConfig) -> list[str]:
    """Parts of the generator before the last one of ``names`` that are not among them."""
    parts = [name for name in config.names if name not in EVALUATORS]
    last = max((parts.index(name) for name in names if name in parts), default=0)
    return [name for name in parts[:last] if name not in names]


def _train(requests: Mapping[str, Request], word: str, measured: bool) -> None:
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
        _say(f"{folder.name}: finished already, {folder.best}")
        return
    metric = in_words(folder.description()["best"]["metric"])
    _say(f"{folder.name}: best at step {best.step}, {metric} {best.value:.4g}, {folder.best}")
    try:
        _say(f"{folder.name}: curves, {draw_curves(folder)}")
    except ConfigError as error:  # it is trained all the same
        _warn(str(error))


def _announce(request: Request) -> None:
    config = request.config
    names = ", ".join(config.names)
    preset, file = (request.settings_from.get(origin) for origin in ("preset", "file"))
    _say(
        f"Training {names} of {config.generator} one after another, on the CPU; each says how long it takes."
    )
    settings = f"{preset or 'the defaults'}{f', then {file}' if file else ''}"
    _say(f"Settings: {settings}; Ctrl-C stops, --resume goes on.")
    if "demo" in presets(config.generator) and preset != "demo" and not file:
        _say("For small models, which train in minutes, choose --preset demo.")


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
            _say(f"{self._name}: {total} steps of {seconds:.2g} s, about {left} to go")


def _name(text: str) -> tuple[str, str]:
    kind, separator, name = text.partition("=")
    if not separator:
        raise ConfigError(f"--name {text!r}: write it as kind=name, e.g. --name residual=rtrans_name")
    return kind, name


def _say(line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _warn(line: str) -> None:
    console.print(f"warning: {line}", style="yellow", highlight=False, markup=False, soft_wrap=True)
