"""``hero-eval gallery``."""

from pathlib import Path
from typing import Annotated

import typer

from hero_core.choices import DeviceName, Which
from hero_core.cli import progress, say
from trainer.eval.choices import HeldOutSplit


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
    """A page of held-out reactions beside the true ones. E.g. hero-eval gallery demo/run --data demo/data"""
    from hero_core.device import choose_device
    from hero_core.runs import load_run
    from hero_core.training_set import TrainingSet
    from hero_core.view.html import write_page
    from trainer.eval.gallery.page import gallery

    runs = [load_run(run_folder, checkpoint, settings or ())]
    runs += [load_run(other, checkpoint) for other in beside or ()]
    with progress("gallery") as report:
        document = gallery(runs, TrainingSet(data), split, count, seed, choose_device(device), videos, report)
    path = out or run_folder / "eval" / "gallery.html"
    write_page(path, document)
    say(f"open in a browser: {path}")
