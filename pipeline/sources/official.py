"""The layout of the official ViMo release: ``train.txt`` and ``test.txt`` with ``video motion`` on each line."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from hero_core.errors import InputError
from pipeline.sources.paths import MOTION_SUFFIXES, VIDEO_SUFFIXES, categories_of, safe_relative
from pipeline.sources.rows import Row

OFFICIAL_LISTS = (
    "train.txt",
    "val.txt",
    "test.txt",
)  # the release has no val.txt, and reads test.txt instead


def official_rows(lists: Sequence[Path], broad_names: Sequence[str]) -> Iterator[Row]:
    """A row for every line that is not blank; the file's name is the split.

    Raises:
        InputError: a list cannot be read, or a line is not two paths.
    """
    for path in lists:
        for number, line in enumerate(_read_lines(path), start=1):
            if line.strip():
                where = f"{path}:{number}"
                video, motion = (safe_relative(text, where) for text in split_line(line.strip(), where))
                broad, subcategory = categories_of(video, broad_names)
                yield Row(where, video, motion, broad, subcategory, split=path.stem)


def split_line(line: str, where: str) -> tuple[str, str]:
    """The two paths of ``video motion``. Paths may hold spaces where the suffixes tell which space divides them.

    Raises:
        InputError: not two paths, or more than one way to divide the line.
    """
    gaps = list(re.finditer(r"\s+", line))
    divisions = [(line[: gap.start()], line[gap.end() :]) for gap in gaps]
    if len(divisions) > 1:
        divisions = [
            (video, motion)
            for video, motion in divisions
            if _suffix(video) in VIDEO_SUFFIXES and _suffix(motion) in MOTION_SUFFIXES
        ]
    if len(divisions) != 1:
        raise InputError(f"{where}: expected 'video motion', two paths, got {line!r}")
    return divisions[0]


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text: {error}") from None
