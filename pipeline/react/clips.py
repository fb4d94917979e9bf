"""Which videos are meant: files, folders of them, and patterns that the shell did not expand."""

from collections.abc import Sequence
from pathlib import Path

from hero_core.errors import InputError
from pipeline.sources.paths import VIDEO_SUFFIXES

_PATTERN = frozenset("*?[")


def videos_of(inputs: Sequence[str | Path]) -> list[Path]:
    """The videos, each once, in the order in which they were named; those of a folder or pattern by name.

    Raises:
        InputError: a folder or a pattern holds no video.
    """
    found: dict[Path, None] = {}
    for each in map(Path, inputs):
        found |= dict.fromkeys(_meant_by(each))
    return list(found)


def _meant_by(path: Path) -> list[Path]:
    if path.is_dir():
        inside = sorted(file for file in path.rglob("*") if _is_video(file))
        if not inside:
            raise InputError(f"{path}: no video in this folder")
        return inside
    if path.exists() or not _PATTERN.intersection(path.name):
        return [path]  # one that is missing is refused when it is read, for itself
    matching = sorted(file for file in path.parent.glob(path.name) if _is_video(file))
    if not matching:
        raise InputError(f"{path}: no video matches")
    return matching


def _is_video(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES
