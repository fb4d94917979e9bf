"""``hero-pipeline demo-data``."""

from pathlib import Path
from typing import Annotated

import typer

from hero_core.cli import console, progress


def demo_data_command(
    out: Annotated[Path, typer.Argument(help="Folder to write MiniViMo into.")],
    clips: Annotated[int, typer.Option(min=1, help="How many videos.")] = 240,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another data set.")] = 0,
) -> None:
    """Write MiniViMo, a small procedural stand-in for ViMo: rendered clips and the reactions that fit them."""
    from pipeline.minivimo import write_minivimo

    with progress("MiniViMo") as report:
        write_minivimo(out, clips=clips, seed=seed, report=report)
    console.print(f"MiniViMo (procedural, not ViMo): {clips} clips in {out}", highlight=False)
