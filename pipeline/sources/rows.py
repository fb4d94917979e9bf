"""One row of any list, and the way from rows to a source."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hero_core.errors import InputError
from pipeline.sources.description import DatasetDescription
from pipeline.sources.paths import key_for
from pipeline.sources.records import Source, SourcePair, SourceVideo, Truth


@dataclass(frozen=True)
class Row:
    """A video with at most one motion, read from one line.

    Attributes:
        where: file and line, for messages.
        parent: name of the video that this one was cut from; empty where not told.
    """

    where: str
    video: str
    motion: str | None
    broad: str
    subcategory: str
    parent: str = ""
    split: str | None = None
    motion_fps: float | None = None
    truth: Truth | None = None


def source_from_rows(
    root: Path, kind: str, description: DatasetDescription, rows: Iterable[Row], listed_in: str
) -> Source:
    """Collect rows into unique videos and pairs.

    Raises:
        InputError: no rows, rows that contradict each other about one video or pair, or two files with one key.
    """
    videos: dict[str, Row] = {}
    pairs: dict[tuple[str, str], Row] = {}
    notes: list[str] = []
    for row in rows:
        _check_agreement(videos.setdefault(row.video, row), row)
        if row.motion is None:
            continue
        if (first := pairs.setdefault((row.video, row.motion), row)) is not row:
            if (first.split, first.truth) != (row.split, row.truth):
                raise InputError(
                    f"{row.where}: the pair of {first.where} again, with another split or truth; remove one"
                )
            notes.append(f"{row.where}: the pair of {first.where} again; kept once")
    if not videos:
        raise InputError(f"{listed_in}: no videos")
    groups = _groups(videos)
    notes += _split_groups(groups, pairs)
    listed = [
        SourceVideo(
            key_for(relative), root / relative, relative, row.broad, row.subcategory, groups[relative]
        )
        for relative, row in videos.items()
    ]
    _check_keys(listed_in, [video.relative for video in listed])
    _check_keys(listed_in, sorted({motion for _, motion in pairs}))
    return Source(
        root=root,
        name=description.name,
        statement=description.statement,
        kind=kind,
        videos=tuple(sorted(listed, key=lambda video: video.key)),
        pairs=tuple(_pair(root, description, motion, row) for (_, motion), row in pairs.items()),
        description=description,
        notes=tuple(notes),
    )


def _pair(root: Path, description: DatasetDescription, motion: str, row: Row) -> SourcePair:
    return SourcePair(
        video_key=key_for(row.video),
        motion_key=key_for(motion),
        motion=root / motion,
        motion_relative=motion,
        split=row.split,
        motion_fps=row.motion_fps or description.motion_fps,
        truth=row.truth,
    )


def _check_agreement(first: Row, row: Row) -> None:
    if (first.broad, first.subcategory, first.parent) != (row.broad, row.subcategory, row.parent):
        raise InputError(
            f"{row.where}: category or parent of {row.video} differs from {first.where}; make the rows agree"
        )


def _check_keys(listed_in: str, relatives: list[str]) -> None:
    seen: dict[str, str] = {}
    for relative in relatives:
        if (other := seen.setdefault(key_for(relative), relative)) != relative:
            raise InputError(f"{listed_in}: {other} and {relative} get the same key; rename one of them")


def _split_groups(groups: Mapping[str, str], pairs: Mapping[tuple[str, str], Row]) -> list[str]:
    """A note where videos cut from one parent stand in more than one of the source's own splits."""
    splits: dict[str, set[str]] = {}
    for (video, _), row in pairs.items():
        if row.split is not None:
            splits.setdefault(groups[video], set()).add(row.split)
    torn = sorted(group for group, names in splits.items() if len(names) > 1)
    return [f"{len(torn)} source videos stand in more than one split, e.g. {torn[0]}"] if torn else []


def _groups(videos: Mapping[str, Row]) -> dict[str, str]:
    """Outermost known parent of every video: parents may be listed by path or by file name."""
    by_name: dict[str, list[str]] = {}
    for relative in videos:
        by_name.setdefault(Path(relative).name, []).append(relative)

    def listed(parent: str) -> str:
        if parent in videos:
            return parent
        same_name = by_name.get(parent, [])
        return same_name[0] if len(same_name) == 1 else parent

    groups = {}
    for relative in videos:
        group, seen = relative, {relative}
        while group in videos and videos[group].parent:
            group = listed(videos[group].parent)
            if group in seen:
                break
            seen.add(group)
        groups[relative] = group
    return groups
