"""``hero-pipeline repair``."""

from pathlib import Path
from typing import Annotated

import typer

from hero_core.cli import console, progress, say


def repair_command(
    folder: Annotated[Path, typer.Argument(help="A cache.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be dropped, and stop.")] = False,
) -> None:
    """Drop what is damaged in a cache, so that the next extract makes it again; what is sound stays."""
    from pipeline.repair import alone_with, plan_repair

    with alone_with(folder), progress("repair") as report:
        repair = plan_repair(folder, report)
        for line in repair.lines():
            say(line)
        if repair.needed and not dry_run:
            repair.apply()
    if not repair.needed:
        console.print(f"[green]nothing is damaged[/]: {repair.kept} rows", highlight=False)
    elif not dry_run:
        say(f"{repair.kept} rows kept; now run: hero-pipeline extract SOURCE {folder}")
