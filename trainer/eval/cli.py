"""The ``hero-eval`` command."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table as RichTable

from hero_core.cli import VersionOption, console, progress, run
from hero_core.config import load_config
from hero_core.device import DeviceName, choose_device
from hero_core.runs import Which, generator_of, load_evaluator, load_run
from hero_core.storage import write_json
from hero_core.training_set import TrainingSet
from hero_core.view.html import write_page
from trainer.eval.evaluate import evaluate
from trainer.eval.gallery import gallery
from trainer.eval.protocol import EvaluationConfig, ProtocolName, protocol_for
from trainer.eval.report import HeldOutSplit, Subject, notes, result_json
from trainer.eval.tables import Table, tables

app = typer.Typer(
    help="Weights and held-out data in, numbers with intervals out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Entry point."""
    run(app)


@app.callback()
def _hero_eval(version: VersionOption = False) -> None:
    """For ``--version``."""


@app.command("metrics")
def metrics_command(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of hero-train.")],
    data: Annotated[
        Path,
        typer.Option(help="Training set: the run's own, or another whose features were made the same way."),
    ],
    split: Annotated[HeldOutSplit, typer.Option(help="Which held-out split.")] = "test",
    protocol: Annotated[
        ProtocolName,
        typer.Option(
            help="paper: its protocol, read soundly; official: with the release's quirks; quick: a first look."
        ),
    ] = "paper",
    repeats: Annotated[int | None, typer.Option(min=1, help="Default 20.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of everything random. Default 10107.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="One setting, e.g. --set sampling.guidance_scale=2; repeatable."),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")] = None,
    evaluator: Annotated[
        Path | None,
        typer.Option(help="Run or checkpoint of another evaluator, e.g. the imported official one."),
    ] = None,
    checkpoint: Annotated[Which, typer.Option(help="Which of the parts' checkpoints.")] = "best",
    device: Annotated[DeviceName, typer.Option(help="Where to compute.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Default RUN/eval/result.json.")] = None,
) -> None:
    """Measure FID, Diversity and MultiModality, and where the data knows the answer, plausibility."""
    overrides = list(settings or [])
    overrides += [f"repeats={repeats}"] if repeats is not None else []
    overrides += [f"seed={seed}"] if seed is not None else []
    preset = protocol_for(protocol, generator_of(run_folder))
    chosen = load_config(EvaluationConfig, config, overrides, base=preset)
    loaded = load_run(run_folder, checkpoint, chosen.sampling_overrides())
    network, origin = load_evaluator(evaluator or run_folder)
    computing = choose_device(device)
    subject = Subject(loaded, checkpoint, origin, TrainingSet(data), split, chosen, computing)
    with progress("evaluate") as report:
        result = evaluate(
            loaded.generator, network, subject.samples, chosen, computing, report, subject.known
        )
    path = out or run_folder / "eval" / "result.json"
    write_json(path, result_json(result, subject))
    for table in tables(result, loaded.generator.kind.upper()):
        _print_table(table)
    for statement in subject.statements():
        console.print(statement, style="bold", highlight=False, markup=False)
    for note in notes(result, subject):
        console.print(f"note: {note}", highlight=False, markup=False)
    console.print(f"written: {path}", highlight=False, markup=False, soft_wrap=True)


@app.command("gallery")
def gallery_command(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of hero-train.")],
    data: Annotated[Path, typer.Option(help="Training set whose held-out clips are reacted to.")],
    split: Annotated[HeldOutSplit, typer.Option(help="Which held-out split.")] = "test",
    count: Annotated[int, typer.Option(min=1, help="Clips at most, drawn by the seed.")] = 100,
    beside: Annotated[
        list[Path] | None, typer.Option(help="Another run, shown beside this one; repeatable.")
    ] = None,
    videos: Annotated[
        Path | None, typer.Option(help="Folder that the data's videos lie in, to show them too.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the clips and the reactions.")] = 10107,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="One sampling setting of the run, e.g. --set guidance_scale=2; repeatable."
        ),
    ] = None,
    checkpoint: Annotated[Which, typer.Option(help="Which of the parts' checkpoints.")] = "best",
    device: Annotated[DeviceName, typer.Option(help="Where to compute.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Default RUN/eval/gallery.html.")] = None,
) -> None:
    """Write a page of held-out reactions beside the true ones: to filter, to sort by any number, to play in step."""
    runs = [load_run(run_folder, checkpoint, settings or ())]
    runs += [load_run(other, checkpoint) for other in beside or ()]
    with progress("gallery") as report:
        document = gallery(runs, TrainingSet(data), split, count, seed, choose_device(device), videos, report)
    path = out or run_folder / "eval" / "gallery.html"
    write_page(path, document)
    console.print(f"open in a browser: {path}", highlight=False, markup=False, soft_wrap=True)


def _print_table(table: Table) -> None:
    shown = RichTable(*table.columns, title=table.title, title_justify="left")
    for row in table.rows:
        shown.add_row(*row)
    console.print(shown)
    for note in table.notes:
        console.print(note, style="dim", highlight=False, markup=False)
