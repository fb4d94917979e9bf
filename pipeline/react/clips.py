"""Which videos are meant: files, folders of them, and patterns that the shell did not expand."""

import re
from collections.abc import Sequence
from pathlib import Path

from hero_core.errors import InputError
from pipeline.react.reaction import video_sha256_in
from pipeline.sources.paths import VIDEO_SUFFIXES

_PATTERN = frozenset("*?[")


def videos_of(inputs: Sequence[str | Path]) -> list[Path]:
    """The videos, each once, in the order in which they were named; those of a folder or pattern by name.

    Films of earlier reactions, which stand beside their ``.npz``, are left out: where reactions lie among the videos,
    the same command would else react to them when it is run again.

    Raises:
        InputError: a folder or a pattern holds no video or cannot be read, only films are named, or a name is empty or
            not UTF-8.
    """
    found: dict[Path, Path] = {}
    for each in inputs:
        if not str(each):
            raise InputError("the name of a video is empty")
        try:
            for path in _meant_by(Path(each)):
                found.setdefault(path.parent.resolve() / path.name, path)
        except OSError as error:
            raise InputError(f"{each}: cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise InputError(f"{each}: {error}") from None
    for path in found.values():
        if re.search("[\ud800-\udfff]", str(path)):  # bytes of the name that Python could not decode
            raise InputError(f"file name {str(path)!r} is not UTF-8; rename it")
    videos = [path for path in found.values() if video_sha256_in(path.with_suffix(".npz")) is None]
    if not videos:
        raise InputError(
            f"{', '.join(map(str, inputs))}: only films of earlier reactions; name the videos themselves"
        )
    return videos


def _meant_by(path: Path) -> list[Path]:
    if path.is_dir():
        inside = sorted(file for file in path.rglob("*") if _is_video(file))
        if not inside:
            raise InputError(f"{path}: no video in this folder")
        return inside
    if path.exists() or not _PATTERN.intersection(str(path)):
        return [path]  # one that is missing is refused when it is read, for itself
    folder = next(parent for parent in path.parents if parent.exists())  # the rest may be a pattern
    matching = sorted(file for file in folder.glob(str(path.relative_to(folder))) if _is_video(file))
    if not matching:
        raise InputError(f"{path}: no video matches")
    return matching


def _is_video(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES
