"""A reaction as further files, beside those that are always written."""

from pathlib import Path
from typing import get_args

from hero_core.errors import ConfigError
from hero_core.exports import SUFFIXES, Exported, Format, export
from pipeline.react.reaction import Reaction

_ALWAYS = ("npz", "bvh", "mp4", "html")


def further_formats(names: str) -> tuple[Format, ...]:
    """The formats in a list such as ``glb,vrma,smpl,csv``, without those that are written anyway.

    Raises:
        ConfigError: an unknown one.
    """
    known: tuple[Format, ...] = get_args(Format)
    asked = dict.fromkeys(name.strip() for name in names.lower().split(",") if name.strip())
    for name in asked:
        if name not in (*known, *_ALWAYS):
            choices = ", ".join(dict.fromkeys((*_ALWAYS, *known)))
            raise ConfigError(f"--format {name}: no such format; there are {choices}")
    return tuple(name for name in known if name in asked and name not in _ALWAYS)


def write_exports(reaction: Reaction, out: str | Path, formats: tuple[Format, ...]) -> tuple[Exported, ...]:
    """Write ``out/{video's name}`` in each format; each file appears complete or not at all."""
    return tuple(
        export(reaction.joints, Path(out) / f"{reaction.video.stem}{SUFFIXES[name]}") for name in formats
    )
