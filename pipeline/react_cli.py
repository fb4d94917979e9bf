"""The ``hero-react`` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from hero_core.choices import DeviceName, ExportFormat
from hero_core.cli import EXIT_QUARANTINED, VersionOption, error_console, progress, run, say
from hero_core.errors import ConfigError, HeroError, InputError

if TYPE_CHECKING:
    from pipeline.react.files import ReactionFiles
    from pipeline.react.reactor import Length

ALWAYS = ("npz", "bvh", "html")

app = typer.Typer(pretty_exceptions_enable=False)


def main() -> None:
    """Entry point."""
    run(app)


@app.command(
    epilog="E.g. hero-react my_clip.mp4 --run demo/run --samples 4, or hero-react clips/ --run demo/run --out reactions"
)
def react_command(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO...",
            help="What to react to: videos, folders, patterns. Films of earlier reactions are left out.",
        ),
    ],
    run_folder: Annotated[Path, typer.Option("--run", help="Run folder of hero-train.")],
    out: Annotated[Path, typer.Option(help="Folder for {video}-{seed}.npz, .bvh, .mp4 and .html.")] = Path(),
    samples: Annotated[int, typer.Option(min=1, help="Reactions to each video, on one page.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the first one; another seed, another reaction.")] = 0,
    length: Annotated[
        str | None,
        typer.Option(
            metavar="video|auto|SECONDS",
            help="video: as long as it is; auto: the generator decides. Default video, or auto where it stops itself.",
        ),
    ] = None,
    frames: Annotated[
        int | None, typer.Option(help="The length in frames at 20 fps instead, 4 to 200.")
    ] = None,
    clean_feet: Annotated[bool, typer.Option("--clean-feet", help="Hold feet where they stand.")] = False,
    edit: Annotated[
        Path | None,
        typer.Option(help="Make parts of this motion anew (.npy of vectors, or a reaction's .npz)."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="FROM:TO", help="Frames of it to keep bit by bit, e.g. 0:40; repeatable."),
    ] = None,
    film: Annotated[
        bool, typer.Option("--film/--no-film", help="Draw the film, which takes longest.")
    ] = True,
    formats: Annotated[
        str, typer.Option("--format", help="Further files: any of glb,vrma,smpl,csv (docs/exports.md).")
    ] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also files not known to be of this video; never a video.")
    ] = False,
    weights: Annotated[
        Path | None, typer.Option(help="TC-CLIP weights, if the run was trained on its features.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="One sampling setting, e.g. --set guidance_scale=2; repeatable."),
    ] = None,
    device: Annotated[
        DeviceName, typer.Option(help="auto: where the run's training features were made, if possible.")
    ] = "auto",
    version: VersionOption = False,
) -> None:
    """Generate human reactions to videos: HumanML3D motion, BVH, a film of both side by side, and a page.

    A video that fails is told and does not stop the others; the exit status is then 3.
    """
    from hero_core.device import choose_device
    from pipeline.react.clips import videos_of
    from pipeline.react.editing import Edit
    from pipeline.react.files import write_reactions
    from pipeline.react.reactor import Reactor

    wanted, further = _length(length, frames), further_formats(formats)
    if keep and edit is None:
        raise ConfigError("--keep says what to keep of a motion; name it with --edit MOTION")
    change = None if edit is None else Edit.of(edit, keep or [])
    videos = videos_of(inputs)
    with progress("react") as report:
        report(0, len(videos), "loading the run and its encoder")
        chosen = None if device == "auto" else choose_device(device)
        reactor = Reactor(run_folder, weights, chosen, settings or ())
        reactor.check(samples, wanted, seed, clean_feet, change)
        failures: dict[Path, HeroError] = {}
        done: list[ReactionFiles] = []
        statements: dict[str, None] = {}
        named: dict[str, Path] = {}
        for number, video in enumerate(videos):
            report(number, len(videos), f"{video.name}, {len(failures)} failed")
            try:
                _require_first(video, named.setdefault(video.stem, video))
                reactions = reactor(video, samples, wanted, seed, clean_feet, change)
                done.append(write_reactions(reactions, out, further, film, overwrite))
                statements |= dict.fromkeys((reactions[0].statement, *_warnings(reactions[0].warnings)))
            except HeroError as error:
                if len(videos) == 1:
                    raise
                failures[video] = error
        report(len(videos), len(videos), f"{len(failures)} failed")
    _say(done, list(statements), failures)
    if failures:
        raise typer.Exit(EXIT_QUARANTINED)


def _require_first(video: Path, first: Path) -> None:
    """Refuse a video whose files would replace those that this call has just written."""
    if video != first:
        raise InputError(
            f"its files would have the names of those of {first}; name it alone, with another --out"
        )


def _say(done: "list[ReactionFiles]", statements: list[str], failures: dict[Path, HeroError]) -> None:
    for files in done:
        exported = {each.path: str(each) for each in files.exports}
        for path in files.paths[:-1]:
            say(exported.get(path, f"written: {path}"))
    for statement in statements:
        say(statement, style="bold")
    for video, error in failures.items():
        which = "" if str(video) in str(error) else f"{video}: "
        error_console.print(
            f"failed: {which}{error}", style="red", highlight=False, markup=False, soft_wrap=True
        )
    for files in done:
        say(f"open in a browser: {files.page}")


def _warnings(warnings: tuple[str, ...]) -> list[str]:
    return [f"warning: {warning}" for warning in warnings]


def further_formats(names: str) -> tuple[ExportFormat, ...]:
    """The formats in a list such as ``glb,vrma,smpl,csv``, without those that are written anyway.

    Raises:
        ConfigError: an unknown one.
    """
    known: tuple[ExportFormat, ...] = get_args(ExportFormat)
    asked = dict.fromkeys(name.strip() for name in names.lower().split(",") if name.strip())
    for name in asked:
        if name not in (*known, *ALWAYS):
            choices = ", ".join(dict.fromkeys((*ALWAYS, *known)))
            raise ConfigError(f"--format {name}: no such format; there are {choices}")
    return tuple(name for name in known if name in asked and name not in ALWAYS)


def _length(length: str | None, frames: int | None) -> "Length":
    from hero_core.motion.format import FPS

    if frames is not None:
        if length is not None:
            raise ConfigError("--length and --frames both set the length; give one of them")
        return frames
    match length:
        case None | "video" | "auto":
            return length
    try:
        seconds = float(length)
    except ValueError:
        raise ConfigError(f"--length {length}: video, auto, or a number of seconds") from None
    if not 0 < seconds < 1e6:
        raise ConfigError(f"--length {length}: a reaction lasts 0.2 to 10 seconds")
    return int(seconds * FPS + 1e-6)
