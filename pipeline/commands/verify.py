"""``hero-pipeline verify``."""

from pathlib import Path
from typing import Annotated

import typer

from hero_core.cli import console, progress, say


def verify_command(folder: Annotated[Path, typer.Argument(help="A cache or a training set.")]) -> None:
    """Check bytes, addresses, shapes, numbers, identities and counts against the manifest."""
    from pipeline.verify import verify

    with progress("verify") as report:
        result = verify(folder, report)
    for problem in result.problems:
        console.print(f"[red]wrong[/] {problem.path}: {problem.what}", highlight=False, soft_wrap=True)
    verdict = (
        f"[red]{len(result.problems)} problems" if result.problems else "[green]all as the manifest says"
    )
    console.print(
        f"{result.kind}: {result.records} records in {result.shards} shards, {verdict}[/]", highlight=False
    )
    if result.problems:
        say(f"against damage: {result.remedy}")
        raise typer.Exit(1)
