"""The ``hero-react`` command."""

from pathlib import Path
from typing import Annotated

import typer

from hero_core.cli import VersionOption, console, run
from hero_core.device import DeviceName, choose_device
from hero_core.errors import ConfigError
from hero_core.motion.format import FPS
from pipeline.react.exports import further_formats, write_exports
from pipeline.react.reactor import Length, react

app = typer.Typer(pretty_exceptions_enable=False)


def main() -> None:
    """Entry point."""
    run(app)


@app.command()
def react_command(
    video: Annotated[Path, typer.Argument(help="What to react to.")],
    run_folder: Annotated[Path, typer.Option("--run", help="Run folder of hero-train.")],
    out: Annotated[Path, typer.Option(help="Folder for the .npz, .bvh, .mp4 and .html.")] = Path(),
    length: Annotated[
        str | None,
        typer.Option(help="Frames at 20 fps, 4 to 200; auto: the generator decides. Default 88, or auto."),
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Length in seconds instead of frames.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another reaction.")] = 0,
    weights: Annotated[
        Path | None, typer.Option(help="TC-CLIP weights, if the run was trained on its features.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="One sampling setting, e.g. --set guidance_scale=2; repeatable."),
    ] = None,
    formats: Annotated[
        str, typer.Option("--format", help="Further files: any of glb,vrma,smpl,csv (docs/exports.md).")
    ] = "",
    device: Annotated[
        DeviceName, typer.Option(help="auto: where the run's training features were made, if possible.")
    ] = "auto",
    version: VersionOption = False,
) -> None:
    """Generate a human reaction to a video: HumanML3D motion, BVH, a film of both side by side, and a page."""
    further = further_formats(formats)
    files = react(
        video,
        run_folder,
        out,
        length_frames=_length_frames(length, seconds),
        seed=seed,
        weights=weights,
        device=None if device == "auto" else choose_device(device),
        sampling=settings or (),
        report=_say,
    )
    for path in (files.npz, files.bvh, files.mp4):
        console.print(f"written: {path}", highlight=False, markup=False, soft_wrap=True)
    for exported in write_exports(files.reaction, out, further):
        console.print(str(exported), highlight=False, markup=False, soft_wrap=True)
    console.print(files.reaction.statement, style="bold", highlight=False, markup=False)
    for warning in files.reaction.warnings:
        console.print(f"warning: {warning}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    console.print(f"open in a browser: {files.page}", highlight=False, markup=False, soft_wrap=True)


def _say(done: int, total: int, note: str = "") -> None:
    if note:
        console.print(f"{note} ...", highlight=False, markup=False)


def _length_frames(length: str | None, seconds: float | None) -> Length:
    if seconds is not None:
        if length is not None:
            raise ConfigError("--length and --seconds both set the length; give one of them")
        if not 0 < seconds < 1e6:
            raise ConfigError(f"--seconds {seconds}: a reaction lasts 0.2 to 10 seconds")
        return int(seconds * FPS + 1e-6)
    if length is None:
        return None
    if length == "auto":
        return "auto"
    if not length.isdecimal():
        raise ConfigError(f"--length {length}: neither a number of frames nor auto")
    return int(length)
