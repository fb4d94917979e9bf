"""``hero-pipeline merge``."""

from typing import Annotated

import typer
from rich.markup import escape

from hero_core.cli import console, progress, say
from pipeline.commands.shared import READ, WORK, WRITTEN, WorkOption


def merge_command(
    out: Annotated[
        str, typer.Argument(help="Folder for the joined cache, new or to add to, also s3:// or gs://.")
    ],
    caches: Annotated[list[str], typer.Argument(help="Caches, e.g. of extract --shard I/N; likewise.")],
    work: WorkOption = WORK,
) -> None:
    """Join caches into one, e.g. those of machines that shared the work. Run again, it adds what is new."""
    from hero_core.mirror import Place
    from hero_core.stores import shown
    from pipeline.merge import merge

    with progress("merge") as report:
        places = [Place.of(cache, work / READ) for cache in caches]
        done = merge(places, Place.of(out, work / WRITTEN), report)
    for note in done.notes:
        console.print(f"[yellow]note[/]: {escape(note)}", highlight=False, soft_wrap=True)
    say(f"{shown(out)}: {done.rows} rows and {done.shards} shards added, {done.kept} rows were there already")
