"""A folder without lists: a tree of videos, ``broad/subcategory/*.mp4`` or flat, or of motions."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from hero_core.errors import InputError
from hero_core.motion.statistics import STATISTICS_FILES
from pipeline.motions import MOTION_SUFFIXES
from pipeline.sources.description import DatasetDescription
from pipeline.sources.paths import VIDEO_SUFFIXES, Roots, categories_of, suffix_of
from pipeline.sources.rows import Listing, Row, motion_at, video_at

STATISTICS_NOTE = (
    "Mean.npy and Std.npy are not read: build-pairs makes the statistics of the training motions"
)


def folder_of_files(roots: Roots, description: DatasetDescription) -> Listing:
    """Every video below the roots, sorted; without videos, every motion. Hidden files and folders are passed over.

    Raises:
        InputError: a folder cannot be read, or a file name is no text that a table could hold.
    """
    files = _files(roots)
    motions = [name for name in files if suffix_of(name) in MOTION_SUFFIXES]
    videos = [name for name in files if suffix_of(name) in VIDEO_SUFFIXES]
    where = str(roots.own)
    if videos:
        listed = [video_at((name, files[name]), *categories_of(name, description.broad)) for name in videos]
        note = f"{len(motions)} motion files lie among the videos and are not read; a pairs.csv can pair them"
        return Listing("video folder", [Row(where, video) for video in listed], (note,) if motions else ())
    rows = [
        Row(where, motion=motion_at((name, files[name]), description))
        for name in motions
        if name not in STATISTICS_FILES
    ]
    return Listing("motion folder", rows, (STATISTICS_NOTE,) if len(rows) < len(motions) else ())


def _files(roots: Roots) -> dict[str, Path]:
    """Videos and motions of all roots by sorted relative path; the first root that has a path wins."""
    files: dict[str, Path] = {}
    seen: set[Path] = set()
    for root in roots.folders:
        for path in _walk(root, seen):
            relative = path.relative_to(root).as_posix()
            if re.search("[\ud800-\udfff]", relative):  # bytes of the name that Python could not decode
                raise InputError(f"{root}: file name {relative!r} is not UTF-8; rename the file")
            files.setdefault(relative, path)
    return dict(sorted(files.items()))


def _walk(root: Path, seen: set[Path]) -> Iterator[Path]:
    """Videos and motions below ``root``; linked folders are followed, and no folder of ``seen`` twice."""
    for folder, folders, files in os.walk(root, followlinks=True, onerror=_refuse):
        resolved = Path(folder).resolve()
        if resolved in seen:
            folders.clear()
            continue
        seen.add(resolved)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if suffix_of(name) in {*VIDEO_SUFFIXES, *MOTION_SUFFIXES} and not name.startswith("."):
                yield Path(folder, name)


def _refuse(error: OSError) -> None:
    raise InputError(f"{error.filename}: cannot be read: {error.strerror}")
