"""``hero-eval table1``, ``table2`` and ``unseen``: train what is missing of a table, measure it, and print it."""

from pathlib import Path
from typing import Annotated

import typer

from hero_core.choices import DeviceName
from hero_core.cli import say
from trainer.choices import DEFAULT_GENERATOR
from trainer.eval.choices import MOST_PROCESSES, MotionsPerVideo, ProtocolName

DataArgument = Annotated[Path, typer.Argument(help="Training set that hero-pipeline build-pairs made.")]
OutOption = Annotated[
    Path,
    typer.Option(
        "--out", help="Folder of the runs, results and tables; what is there already is not done again."
    ),
]
GeneratorsOption = Annotated[
    str | None,
    typer.Option(help="Which, separated by commas, e.g. hero,momask; otherwise all that have the preset."),
]
SeedsOption = Annotated[int, typer.Option(min=1, help="Trainings of each, with the seeds 0, 1, ...")]
PresetOption = Annotated[str, typer.Option(help="Settings to train with: paper, or demo for small models.")]
ProtocolOption = Annotated[
    ProtocolName | None,
    typer.Option(help="How to measure; otherwise quick for the demo preset, paper for others."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="One setting of training, for all (feat_bias=5) or for one generator (hero:masked.training.steps=500), or "
        "of measuring (evaluation.repeats=5); repeatable.",
    ),
]
FinetuneOption = Annotated[
    list[str] | None,
    typer.Option(
        "--finetune",
        metavar="[GENERATOR:]RUN",
        help="Run or checkpoint to start from, of parts that learn from motions alone, such as a tokenizer: for all "
        "generators that have the same parts, or for one (hero:runs/momask); repeatable. The sizes of its model come "
        "along.",
    ),
]
MotionsOption = Annotated[
    MotionsPerVideo,
    typer.Option(
        "--motions-per-video",
        help="Learn from all motions that fit a video, or from its first one alone.",
    ),
]
ProcessesOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help=f"Trainings and measurements at a time; otherwise one on a GPU, and one on each core, at most "
        f"{MOST_PROCESSES}, on the CPU.",
    ),
]
DeviceOption = Annotated[DeviceName, typer.Option(help="Where to compute.")]


def table1_command(
    data: DataArgument,
    out: OutOption,
    generators: GeneratorsOption = None,
    seeds: SeedsOption = 3,
    preset: PresetOption = "paper",
    protocol: ProtocolOption = None,
    settings: SetOption = None,
    finetune: FinetuneOption = None,
    motions_per_video: MotionsOption = "all",
    processes: ProcessesOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Table 1: train and measure all generators. E.g. hero-eval table1 demo/data --out tables --preset demo"""
    from trainer.eval.study.cli import all_settings, do_study, entries_of, study_of
    from trainer.eval.study.starts import with_starts

    lines = all_settings(settings, motions_per_video)
    entries = with_starts(entries_of(generators, preset, lines), finetune or [])
    study = study_of(data, out, entries, seeds, preset, protocol, lines, device)
    do_study(study, "table1", processes)


def table2_command(
    data: DataArgument,
    out: OutOption,
    generator: Annotated[str, typer.Option(help="Whose ablations.")] = DEFAULT_GENERATOR,
    seeds: SeedsOption = 3,
    preset: PresetOption = "paper",
    protocol: ProtocolOption = None,
    settings: SetOption = None,
    finetune: FinetuneOption = None,
    motions_per_video: MotionsOption = "all",
    processes: ProcessesOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Table 2: without IIE, DIE, or both. E.g. hero-eval table2 demo/data --out tables --preset demo"""
    from trainer.eval.study.cli import all_settings, do_study, study_of
    from trainer.eval.study.entries import ablation_entries, training_settings
    from trainer.eval.study.starts import with_starts

    lines = all_settings(settings, motions_per_video)
    entries = with_starts(ablation_entries(generator, preset, training_settings(lines)), finetune or [])
    study = study_of(data, out, entries, seeds, preset, protocol, lines, device)
    do_study(study, "table2", processes)


def unseen_command(
    data: DataArgument,
    out: OutOption,
    generators: GeneratorsOption = DEFAULT_GENERATOR,
    seeds: SeedsOption = 3,
    preset: PresetOption = "paper",
    protocol: ProtocolOption = None,
    settings: SetOption = None,
    finetune: FinetuneOption = None,
    motions_per_video: MotionsOption = "all",
    processes: ProcessesOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Subcategories that training never saw. E.g. hero-eval unseen demo/unseen --out unseen --preset demo"""
    from hero_core.training_set import TrainingSet
    from trainer.eval.study.cli import all_settings, do_study, entries_of, study_of
    from trainer.eval.study.starts import with_starts
    from trainer.eval.study.unseen import require_unseen

    for line in require_unseen(TrainingSet(data)):
        say(line)
    lines = all_settings(settings, motions_per_video)
    entries = with_starts(entries_of(generators, preset, lines), finetune or [])
    study = study_of(data, out, entries, seeds, preset, protocol, lines, device, splits=("test", "val"))
    do_study(study, "unseen", processes)
