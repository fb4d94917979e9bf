"""Folders with ``train.txt``, ``val.txt``, ``test.txt``: the official ViMo release, and HumanML3D."""

import re
from collections.abc import Iterator
from pathlib import Path

from hero_core.errors import InputError
from hero_core.motion.statistics import STATISTICS_FILES
from hero_core.records import SPLITS, Split
from pipeline.motions import MOTION_SUFFIXES
from pipeline.sources.description import DatasetDescription
from pipeline.sources.paths import VIDEO_SUFFIXES, Roots, categories_of, suffix_of
from pipeline.sources.rows import Listing, Row, motion_at, video_at

HUMANML3D_VECTORS = "new_joint_vecs"


def has_lists(folder: Path) -> bool:
    """Whether one of the lists is there. The ViMo release has no ``val.txt``, and reads ``test.txt`` instead."""
    return any((folder / f"{split}.txt").is_file() for split in SPLITS)


def official_lists(roots: Roots, description: DatasetDescription) -> Listing:
    """A row for every ``video motion`` line; the list's name is the split.

    Raises:
        InputError: a list cannot be read, or a line is not two paths inside the roots.
    """
    rows = []
    for where, split, line in _lines(roots.own):
        video, motion = (roots.locate(text, where) for text in split_line(line, where))
        listed = video_at(video, *categories_of(video[0], description.broad))
        rows.append(Row(where, listed, motion_at(motion, description), split))
    return Listing("official lists", rows, statistics=_shipped_statistics(roots.own))


def humanml3d_folder(roots: Roots, description: DatasetDescription) -> Listing:
    """A motion for every line, which is the name of a file in ``new_joint_vecs``; the list's name is the split.

    Raises:
        InputError: no list, a list that cannot be read, or a line that is no name.
    """
    vectors = roots.own / HUMANML3D_VECTORS
    if not has_lists(roots.own):
        raise InputError(
            f"{roots.own}: no train.txt, val.txt or test.txt beside {HUMANML3D_VECTORS}; to read all of its motions, "
            f"without a split, name {vectors} as the source"
        )
    rows = []
    for where, split, name in _lines(roots.own):
        if re.search(r"[\s/\\]", name):
            raise InputError(f"{where}: expected the name of one motion in {HUMANML3D_VECTORS}, got {name!r}")
        file = roots.locate(f"{HUMANML3D_VECTORS}/{name.removesuffix('.npy')}.npy", where)
        rows.append(Row(where, None, motion_at(file, description), split))
    notes = []
    listed = {row.motion.path for row in rows if row.motion}
    if unlisted := len(set(vectors.glob("*.npy")) - listed):
        notes.append(f"{unlisted} motions of {HUMANML3D_VECTORS} stand in no list and are passed over")
    return Listing("HumanML3D folder", rows, tuple(notes), _shipped_statistics(roots.own))


def split_line(line: str, where: str) -> tuple[str, str]:
    """The two paths of ``video motion``. Paths may hold spaces where the suffixes tell which space divides them.

    Raises:
        InputError: not two paths, or more than one way to divide the line.
    """
    divisions = [(line[: gap.start()], line[gap.end() :]) for gap in re.finditer(r"\s+", line)]
    if len(divisions) > 1:
        divisions = [
            (video, motion)
            for video, motion in divisions
            if suffix_of(video) in VIDEO_SUFFIXES and suffix_of(motion) in MOTION_SUFFIXES
        ]
    if len(divisions) != 1:
        raise InputError(f"{where}: expected 'video motion', two paths, got {line!r}")
    return divisions[0]


def _shipped_statistics(folder: Path) -> Path | None:
    """The folder, if it holds statistics; one file alone counts, so that whoever reads them says what is missing."""
    return folder if any((folder / name).is_file() for name in STATISTICS_FILES) else None


def _lines(folder: Path) -> Iterator[tuple[str, Split, str]]:
    """File and number, split and text of every line that is not blank."""
    for split in SPLITS:
        path = folder / f"{split}.txt"
        if not path.is_file():
            continue
        try:
            lines = path.read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read as UTF-8 text: {error}") from None
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield f"{path}:{number}", split, line.strip()
