"""``hero-pipeline previews``."""

from pathlib import Path
from typing import Annotated

import typer

from hero_core.cli import EXIT_QUARANTINED, progress, say
from pipeline.commands.shared import (
    REASONS_SHOWN,
    SOURCES,
    WORK,
    ColumnOption,
    DatasetOption,
    RootOption,
    SourceArgument,
    WorkOption,
    columns_of,
)


def previews_command(
    context: typer.Context,
    source: SourceArgument,
    out: Annotated[Path, typer.Argument(help="Folder for the copies, which pages take as --videos.")],
    side: Annotated[int, typer.Option(min=16, help="Longer side of the copies, in pixels.")] = 240,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that read videos; default: one for every core.")
    ] = None,
    work: WorkOption = WORK,
    dataset: DatasetOption = None,
    column: ColumnOption = None,
    root: RootOption = None,
) -> None:
    """Write small copies of all videos that any browser plays, for the pages of report and hero-eval gallery."""
    from pipeline.config import default_workers
    from pipeline.previews import write_previews
    from pipeline.sources import source_at

    read = context.with_resource(source_at(source, work / SOURCES))
    videos = read.open(dataset, columns_of(column), root or ()).videos
    with progress("previews") as report:
        done = write_previews(videos, out, side, workers or default_workers(), report)
    for path, reason in list(done.left_out.items())[:REASONS_SHOWN]:
        say(f"left out: {path}: {reason}")
    if len(done.left_out) > REASONS_SHOWN:
        say(f"and {len(done.left_out) - REASONS_SHOWN} others")
    say(f"{out}: {done.made} made, {done.kept} there already, {len(done.left_out)} left out")
    if done.left_out:
        raise typer.Exit(EXIT_QUARANTINED)
