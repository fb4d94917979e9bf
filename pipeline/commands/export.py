"""``hero-pipeline export``."""

from pathlib import Path
from typing import Annotated

import typer

from hero_core.choices import EXPORT_SUFFIXES, Unit
from hero_core.cli import say


def export_command(
    motion: Annotated[Path, typer.Argument(help="A reaction's .npz, or a .npy of vectors or joints.")],
    out: Annotated[
        list[Path], typer.Argument(help=f"Files that end in {', '.join(EXPORT_SUFFIXES.values())}.")
    ],
    fps: Annotated[float | None, typer.Option(help="Of joints, where the file does not say it; 20.")] = None,
    unit: Annotated[Unit, typer.Option(help="Of lengths in a .bvh.")] = "m",
    rigid: Annotated[
        bool, typer.Option("--rigid", help="Bones of a .bvh keep their length, where exact or not.")
    ] = False,
    body_model: Annotated[
        Path | None, typer.Option(help="SMPL-family model (.npz) to fit an .smpl.npz to.")
    ] = None,
) -> None:
    """Write a motion as files for animation tools, engines and spreadsheets (docs/exports.md)."""
    from hero_core.exports import export, read_joints

    joints, rate = read_joints(motion, fps)
    for path in out:
        exported = export(joints, path, rate, unit=unit, rigid=rigid, body_model=body_model)
        say(str(exported))
