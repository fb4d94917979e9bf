"""The ``hero-eval`` command."""

from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from rich.table import Table as RichTable

from hero_core.cli import console, progress, run
from hero_core.config import load_config
from hero_core.errors import InputError
from hero_core.files import write_json
from hero_core.models.evaluator import MotionEvaluator
from hero_core.runs import Which, load_hero
from trainer.eval.evaluate import evaluate
from trainer.eval.held_out import HeldOutSplit, open_held_out
from trainer.eval.protocol import PROTOCOLS, EvaluationConfig, ProtocolName
from trainer.eval.provenance import check_provenance
from trainer.eval.report import Table, notes, result_json, statements, tables
from trainer.stages import checkpoint_of

app = typer.Typer(
    help="Weights and held-out data in, numbers with intervals out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Device = Literal["auto", "cpu", "cuda"]


def main() -> None:
    """Entry point."""
    run(app)


@app.callback()
def _hero_eval() -> None:
    """Make ``metrics`` a subcommand although it is the only one."""


@app.command("metrics")
def metrics_command(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of hero-train.")],
    data: Annotated[Path, typer.Option(help="Training data that hero-pipeline build-pairs made.")],
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
    checkpoint: Annotated[Which, typer.Option(help="Which of the transformers' checkpoints.")] = "best",
    device: Annotated[Device, typer.Option(help="Where to compute.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Default RUN/eval/result.json.")] = None,
) -> None:
    """Measure FID, Diversity and MultiModality, and where the data knows the answer, plausibility."""
    overrides = list(settings or [])
    overrides += [f"repeats={repeats}"] if repeats is not None else []
    overrides += [f"seed={seed}"] if seed is not None else []
    chosen = load_config(EvaluationConfig, config, overrides, base=PROTOCOLS[protocol])
    computing = _device(device)
    held_out = open_held_out(data, split)
    embedding = checkpoint_of(evaluator or run_folder, "evaluator")
    provenance = check_provenance(run_folder, checkpoint, embedding, held_out, computing)
    hero = load_hero(run_folder, checkpoint, chosen.sampling)
    with progress("evaluate") as report:
        result = evaluate(hero, MotionEvaluator.load(embedding), held_out, chosen, computing, report)
    path = out or run_folder / "eval" / "result.json"
    write_json(path, result_json(result, held_out, chosen, provenance))
    for table in tables(result):
        _print_table(table)
    for statement in statements(held_out):
        console.print(statement, style="bold", highlight=False, markup=False)
    for note in (*notes(result, held_out, chosen), *provenance.remarks):
        console.print(f"note: {note}", highlight=False, markup=False)
    console.print(f"written: {path}", highlight=False, markup=False, soft_wrap=True)


def _print_table(table: Table) -> None:
    shown = RichTable(*table.columns, title=table.title, title_justify="left")
    for row in table.rows:
        shown.add_row(*row)
    console.print(shown)


def _device(name: Device) -> torch.device:
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("--device cuda: this machine, or this build of torch, has no CUDA device")
    return torch.device("cuda" if available and name != "cpu" else "cpu")
