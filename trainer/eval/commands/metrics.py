"""``hero-eval metrics``."""

from pathlib import Path
from typing import Annotated

import typer

from hero_core.choices import DeviceName, Which
from hero_core.cli import console, progress, say
from trainer.eval.choices import HeldOutSplit, ProtocolName


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
    joint_evaluator: Annotated[
        Path | None,
        typer.Option(
            help="Run or checkpoint of another evaluator that sees joints only; by default that of --evaluator or RUN, "
            "whichever has one."
        ),
    ] = None,
    checkpoint: Annotated[Which, typer.Option(help="Which of the parts' checkpoints.")] = "best",
    device: Annotated[DeviceName, typer.Option(help="Where to compute.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Default RUN/eval/result.json.")] = None,
) -> None:
    """FID, KID, fit to the video, movement, plausibility of a run. E.g. hero-eval metrics demo/run --data demo/data"""
    from hero_core.config import load_config
    from hero_core.device import choose_device
    from hero_core.runs import generator_of, load_run
    from hero_core.training_set import TrainingSet
    from trainer.eval.evaluators import load_evaluators
    from trainer.eval.measure import RESULT, measure, write_result
    from trainer.eval.protocol import EvaluationConfig, protocol_for
    from trainer.eval.report import Subject, notes
    from trainer.eval.show_cli import show_table
    from trainer.eval.tables import tables

    overrides = list(settings or [])
    overrides += [f"repeats={repeats}"] if repeats is not None else []
    overrides += [f"seed={seed}"] if seed is not None else []
    preset = protocol_for(protocol, generator_of(run_folder))
    chosen = load_config(EvaluationConfig, config, overrides, base=preset)
    loaded = load_run(run_folder, checkpoint, chosen.sampling_overrides())
    training_set, computing = TrainingSet(data), choose_device(device)
    embedding = load_evaluators(run_folder, training_set, evaluator, joint_evaluator)
    origins = embedding.origin, embedding.joint_origin
    subject = Subject(loaded, checkpoint, origins[0], training_set, split, chosen, computing, origins[1])
    with progress("evaluate") as report:
        result = measure(subject, embedding.vectors, report, embedding.joints)
    path = out or run_folder / RESULT
    write_result(path, result, subject)
    for table in tables(result, loaded.generator.kind.upper()):
        show_table(table)
    for statement in subject.statements():
        console.print(statement, style="bold", highlight=False, markup=False)
    for note in notes(result, subject):
        console.print(f"note: {note}", highlight=False, markup=False)
    say(f"written: {path}")
