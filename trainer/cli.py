"""The ``hero-train`` command."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import typer

from hero_core.cli import console, error_console, progress, run
from hero_core.errors import ConfigError, InputError
from hero_core.official.convert import import_official
from hero_core.official.finding import Which
from trainer.config import Preset, TaskName, TrainConfig, load_train_config
from trainer.loop import StoppedError
from trainer.run_folder import RunFolder
from trainer.runner import TASKS, Request, train_task

EXIT_STOPPED = 130
DEFAULT_PRESET: Preset = "paper"

app = typer.Typer(
    help="Shards in, weights out. Each task of a run gets a folder that explains itself and can be resumed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Device = Literal["auto", "cpu", "cuda"]
DataArgument = Annotated[Path, typer.Argument(help="Training data that hero-pipeline build-pairs made.")]
OutOption = Annotated[Path, typer.Option("--out", help="Run folder; the tasks of a run share it.")]
PresetOption = Annotated[
    Preset | None, typer.Option(help="Settings to start from: paper (the default), or demo for small models.")
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="TOML file with settings that replace the preset's.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting, e.g. --set masked.training.steps=500; repeatable."),
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on with this run exactly where it stopped, with its settings.")
]
DeviceOption = Annotated[Device, typer.Option(help="Where to compute.")]
SeedOption = Annotated[int | None, typer.Option(min=0, help="Of weights, order, crops, masks and dropout.")]
FinetuneOption = Annotated[
    Path | None,
    typer.Option(
        "--finetune",
        help="Run or checkpoint whose tokenizer to start from; its model settings and statistics come along.",
    ),
]


def main() -> None:
    """Entry point."""
    run(app)


@app.command("rvq")
def rvq_command(
    data: DataArgument,
    out: OutOption,
    preset: PresetOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    resume: ResumeOption = False,
    device: DeviceOption = "auto",
    seed: SeedOption = None,
    finetune: FinetuneOption = None,
) -> None:
    """Train the motion tokenizer (RVQ-VAE)."""
    choice = _Choice(preset, config, settings or [], seed)
    _train(["rvq"], data, out, choice, resume, device, finetune)


@app.command("masked")
def masked_command(
    data: DataArgument,
    out: OutOption,
    preset: PresetOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    resume: ResumeOption = False,
    device: DeviceOption = "auto",
    seed: SeedOption = None,
) -> None:
    """Train the masked transformer, on the tokens of the run's tokenizer."""
    _train(["masked"], data, out, _Choice(preset, config, settings or [], seed), resume, device)


@app.command("residual")
def residual_command(
    data: DataArgument,
    out: OutOption,
    preset: PresetOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    resume: ResumeOption = False,
    device: DeviceOption = "auto",
    seed: SeedOption = None,
) -> None:
    """Train the residual transformer, on the tokens of the run's tokenizer."""
    _train(["residual"], data, out, _Choice(preset, config, settings or [], seed), resume, device)


@app.command("evaluator")
def evaluator_command(
    data: DataArgument,
    out: OutOption,
    preset: PresetOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    resume: ResumeOption = False,
    device: DeviceOption = "auto",
    seed: SeedOption = None,
) -> None:
    """Train an evaluator, where the official one is not to be had."""
    _train(["evaluator"], data, out, _Choice(preset, config, settings or [], seed), resume, device)


@app.command("all")
def all_command(
    data: DataArgument,
    out: OutOption,
    preset: PresetOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    resume: ResumeOption = False,
    device: DeviceOption = "auto",
    seed: SeedOption = None,
    finetune: FinetuneOption = None,
) -> None:
    """Train rvq, masked, residual and evaluator, one after another; --resume skips what is finished."""
    choice = _Choice(preset, config, settings or [], seed)
    _train(TASKS, data, out, choice, resume, device, finetune)


@app.command("import-official")
def import_command(
    source: Annotated[Path, typer.Argument(help="The official checkpoints folder, or one model's in it.")],
    out: Annotated[Path, typer.Argument(help="Run folder to write.")],
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--name", help="Which of several models to take, e.g. --name residual=rtrans_name; repeatable."
        ),
    ] = None,
    which: Annotated[Which, typer.Option(help="Which of a model's files to take.")] = "best",
) -> None:
    """Convert checkpoints of the official release to a run folder."""
    report = import_official(source, out, dict(map(_name, names or [])), which)
    for line in report.lines():
        console.print(line, highlight=False, markup=False, soft_wrap=True)


@dataclass(frozen=True)
class _Choice:
    """The settings that were asked for."""

    preset: Preset | None
    file: Path | None
    overrides: Sequence[str]
    seed: int | None

    @property
    def made(self) -> bool:
        return bool(self.preset or self.file or self.overrides or self.seed is not None)

    def config(self) -> TrainConfig:
        seed = [] if self.seed is None else [f"seed={self.seed}"]
        return load_train_config(self.preset or DEFAULT_PRESET, self.file, [*self.overrides, *seed])

    def origin(self) -> dict[str, Any]:
        return {
            "preset": self.preset or DEFAULT_PRESET,
            "file": str(self.file.resolve()) if self.file else None,
            "overrides": list(self.overrides),
        }


def _train(
    tasks: Sequence[TaskName],
    data: Path,
    out: Path,
    choice: _Choice,
    resume: bool,
    device: Device,
    finetune: Path | None = None,
) -> None:
    if not resume:  # refuse before the first task has run for hours
        for task in tasks:
            RunFolder(out, task).prepare(resume)
    computing = _device(device)
    for task in tasks:
        config, origin = _settings(task, out, choice, resume)
        request = Request(data, out, config, origin, computing, resume, finetune)
        folder = RunFolder(out, task)
        try:
            with progress(task) as report:
                best = train_task(task, request, report)
        except StoppedError as stopped:
            command = "all" if len(tasks) > 1 else task
            advice = f"go on with: hero-train {command} {data} --out {out} --resume"
            error_console.print(f"{stopped}; {advice}", highlight=False, markup=False, soft_wrap=True)
            raise typer.Exit(EXIT_STOPPED) from None
        result = f"best at step {best.step}, {best.value:.4g}" if best else "finished already"
        console.print(f"{task}: {result}, {folder.best}", highlight=False, markup=False, soft_wrap=True)


def _settings(task: TaskName, out: Path, choice: _Choice, resume: bool) -> tuple[TrainConfig, dict[str, Any]]:
    """What was asked for; a resumed run that was asked for nothing keeps its settings, a new task those of its run."""
    if resume and not choice.made:
        for folder in (RunFolder(out, name) for name in (task, *TASKS)):
            stored = folder.stored_config()
            if stored is not None:
                return stored, dict(folder.description()["settings_from"])
    return choice.config(), choice.origin()


def _device(name: Device) -> torch.device:
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("--device cuda: this machine, or this build of torch, has no CUDA device")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def _name(text: str) -> tuple[str, str]:
    kind, separator, name = text.partition("=")
    if not separator:
        raise ConfigError(f"--name {text!r}: write it as kind=name, e.g. --name residual=rtrans_name")
    return kind, name
