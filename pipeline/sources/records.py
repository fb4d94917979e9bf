"""What a source holds: videos, and pairs of a video and a motion."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.sources.description import DatasetDescription

UNKNOWN = "unknown"
"""Category of a video whose source does not tell."""


@dataclass(frozen=True)
class SourceVideo:
    """A video that a source lists; it may turn out to be missing or broken.

    Attributes:
        key: unique in the source, safe in shards.
        path: absolute.
        relative: from the root of the source, with forward slashes.
        broad: broad category, or ``unknown``.
        subcategory: subcategory, or ``unknown``.
        group: videos cut from one parent share it, and so may not be split.
    """

    key: str
    path: Path
    relative: str
    broad: str
    subcategory: str
    group: str


@dataclass(frozen=True)
class Truth:
    """The right answer, where a data set knows it: which reaction, to which side, from when on."""

    reaction: str
    side: str
    onset_seconds: float


@dataclass(frozen=True)
class SourcePair:
    """A video and a motion that fits it, as listed.

    Attributes:
        motion: absolute path.
        motion_relative: from the root of the source, with forward slashes.
        split: the source's own, or ``None``.
        motion_fps: stated rate of the motion, or ``None``.
    """

    video_key: str
    motion_key: str
    motion: Path
    motion_relative: str
    split: str | None
    motion_fps: float | None
    truth: Truth | None


@dataclass(frozen=True)
class Source:
    """A data set as its files list it; nothing but the lists has been opened.

    Attributes:
        root: absolute folder that all relative paths start from.
        kind: ``official lists``, ``pair table`` or ``video folder``.
        videos: unique, sorted by key.
        pairs: unique, in the order of the lists.
        notes: what was odd in the lists and how it was read, one line each.
    """

    root: Path
    name: str
    statement: str
    kind: str
    videos: tuple[SourceVideo, ...]
    pairs: tuple[SourcePair, ...]
    description: DatasetDescription
    notes: tuple[str, ...] = ()
