"""What a source lists: videos, motions, and which belong together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hero_core.records import Split, Truth
from pipeline.sources.description import DatasetDescription
from pipeline.sources.stored import StoredFolder

UNKNOWN = "unknown"
"""Category of a video whose source does not tell."""


@dataclass(frozen=True, slots=True)
class SourceVideo:
    """A video that a source lists; it may turn out to be missing or broken.

    Attributes:
        key: unique in the source, safe in shards; made from ``relative``.
        path: absolute.
        relative: from the root that holds it, with forward slashes.
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


@dataclass(frozen=True, slots=True)
class SourceMotion:
    """A motion that a source lists; it may turn out to be missing or broken.

    Attributes:
        key, path, relative: as of a video.
        fps: stated frames per second, or ``None``.
    """

    key: str
    path: Path
    relative: str
    fps: float | None


@dataclass(frozen=True, slots=True)
class SourcePair:
    """A video and a motion that fits it; or, with ``video_key`` ``None``, a motion of its own.

    ``split`` is the source's own, or ``None``; ``truth`` the right answer, where the source knows it.
    """

    video_key: str | None
    motion_key: str
    split: Split | None
    truth: Truth | None


@dataclass(frozen=True)
class Source:
    """A data set as its files list it; nothing but the lists has been opened.

    Attributes:
        opened: absolute folder or table that was opened.
        roots: absolute folders that relative paths start from, that of the lists first.
        kind: ``official lists``, ``HumanML3D folder``, ``pair table``, ``video folder`` or ``motion folder``.
        videos: unique, sorted by key; also those without a motion.
        motions: unique, sorted by key.
        pairs: unique, in the order of the lists; every motion stands in at least one.
        columns: chosen columns of a pair table, by field.
        statistics: absolute folder with the ``Mean.npy`` and ``Std.npy`` that the data set ships, or ``None``.
        notes: what was odd in the lists and how it was read, one line each.
        stored: where its files are fetched from; ``None`` where they lie here.
    """

    opened: Path
    roots: tuple[Path, ...]
    kind: str
    description: DatasetDescription
    videos: tuple[SourceVideo, ...]
    motions: tuple[SourceMotion, ...]
    pairs: tuple[SourcePair, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    statistics: Path | None = None
    notes: tuple[str, ...] = ()
    stored: StoredFolder | None = None

    @property
    def place(self) -> str:
        """What was opened, as people and caches name it: a path, or an address in an object store."""
        return self.stored.address if self.stored else str(self.opened)

    @property
    def name(self) -> str:
        """The data set's name, as reports print it."""
        return self.description.name

    @property
    def statement(self) -> str:
        """What the data set is and what it is not, in one sentence."""
        return self.description.statement
