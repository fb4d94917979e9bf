"""What every layout is read into, and the way from there to a source."""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from hero_core.errors import InputError
from hero_core.records import Split, Truth
from pipeline.sources.description import DatasetDescription
from pipeline.sources.paths import Roots, key_for, suffix_of
from pipeline.sources.records import UNKNOWN, Source, SourceMotion, SourcePair, SourceVideo

Located = tuple[str, Path]
"""Path from its root, and the file."""


def video_at(
    file: Located, broad: str = UNKNOWN, subcategory: str = UNKNOWN, parent: str = ""
) -> SourceVideo:
    """A listed video; ``parent`` is what it was cut from, by path or by name."""
    return SourceVideo(key_for(file[0]), file[1], file[0], broad, subcategory, group=parent)


def motion_at(file: Located, description: DatasetDescription, fps: float | None = None) -> SourceMotion:
    """A listed motion; the described rate is that of arrays only, as the other files state theirs."""
    described = description.motion_fps if suffix_of(file[0]) == ".npy" else None
    return SourceMotion(key_for(file[0]), file[1], file[0], fps or described)


@dataclass(frozen=True)
class Row:
    """A video, a motion or both, read from one line.

    Attributes:
        where: file and line, for messages.
        video: its ``group`` is still the parent as listed; empty where not told.
    """

    where: str
    video: SourceVideo | None = None
    motion: SourceMotion | None = None
    split: Split | None = None
    truth: Truth | None = None


@dataclass(frozen=True)
class Listing:
    """What one layout says: its name, its rows, what was odd (one line each), and where statistics are shipped."""

    kind: str
    rows: Sequence[Row]
    notes: tuple[str, ...] = ()
    statistics: Path | None = None


def collect(
    opened: Path, listing: Listing, roots: Roots, description: DatasetDescription, columns: Mapping[str, str]
) -> Source:
    """Unique videos, motions and pairs of the rows.

    Raises:
        InputError: rows that contradict each other about one video, motion or pair.
    """
    videos: dict[str, SourceVideo] = {}
    motions: dict[str, SourceMotion] = {}
    pairs: dict[tuple[str | None, str], SourcePair] = {}
    again: list[str] = []
    for row in listing.rows:
        if row.video:
            _check_same(videos.setdefault(row.video.key, row.video), row.video, row.where)
        if row.motion:
            _check_same(motions.setdefault(row.motion.key, row.motion), row.motion, row.where)
            pair = SourcePair(row.video.key if row.video else None, row.motion.key, row.split, row.truth)
            first = pairs.setdefault((pair.video_key, pair.motion_key), pair)
            if first != pair:
                raise InputError(
                    f"{row.where}: {row.motion.relative} is listed again as the same pair, with another split or "
                    "truth; remove one of the rows"
                )
            again += [row.where] if first is not pair else []
    notes = [f"{len(again)} rows list a pair again, e.g. {again[0]}; it is kept once"] if again else []
    groups = _groups({video.relative: video.group for video in videos.values()})
    grouped = (replace(video, group=groups[video.relative]) for video in videos.values())
    return Source(
        opened=opened.absolute(),
        roots=roots.folders,
        kind=listing.kind,
        description=description,
        videos=tuple(sorted(grouped, key=lambda video: video.key)),
        motions=tuple(sorted(motions.values(), key=lambda motion: motion.key)),
        pairs=tuple(pairs.values()),
        columns=dict(columns),
        statistics=listing.statistics,
        notes=(*listing.notes, *notes, *roots.shadowed([*videos.values(), *motions.values()])),
    )


_CALLED = {"broad": "category", "group": "parent_video", "fps": "motion_fps"}


def _check_same(first: SourceVideo | SourceMotion, item: SourceVideo | SourceMotion, where: str) -> None:
    if first != item:
        names = (field.name for field in fields(item))
        differing = (name for name in names if getattr(first, name) != getattr(item, name, None))
        called = ", ".join(_CALLED.get(name, name) for name in differing)
        raise InputError(
            f"{where}: {item.relative} differs from an earlier row in {called}; make the rows agree"
        )


def _groups(parents: Mapping[str, str]) -> dict[str, str]:
    """Outermost known parent of every video: parents may be listed by path or by file name."""
    by_name: dict[str, list[str]] = {}
    for relative in parents:
        by_name.setdefault(posixpath.basename(relative), []).append(relative)

    def listed(parent: str) -> str:
        same_name = by_name.get(parent, [])
        return same_name[0] if parent not in parents and len(same_name) == 1 else parent

    groups = {}
    for relative in parents:
        group, seen = relative, {relative}
        while parents.get(group):
            group = listed(parents[group])
            if group in seen:
                break
            seen.add(group)
        groups[relative] = group
    return groups
