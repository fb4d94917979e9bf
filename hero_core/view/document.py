"""What the page shows, from motions and numbers: samples, their motions side by side, metrics, tables.

:func:`document_json` is what ``web/src/document.ts`` reads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import InputError
from hero_core.models.explanation import Explained
from hero_core.motion.format import FPS
from hero_core.motion.humanml3d import CONTACTS, check_joints, vectors_to_joints
from hero_core.view.figure import body_json
from hero_core.view.packed import pack_bits, pack_bytes, pack_file, pack_joints, pack_shares

SCHEMA = "hero-view/1"

MotionKind = Literal["generated", "truth", "other"]


@dataclass(frozen=True)
class File:
    """A file to take away from the page."""

    name: str
    data: bytes
    mime: str = "application/octet-stream"


@dataclass(frozen=True)
class ShownMotion:
    """A motion on the page.

    Attributes:
        name: what is written above the figure.
        joints: ``(n, 22, 3)`` metres at 20 fps.
        kind: the ``generated`` reaction that the page is about, the ``truth``, or an ``other`` run's.
        contacts: ``(n, 4)`` bool, as in HumanML3D's vectors; None where not known.
        explained: what its generator looked at.
        files: to take away; without a ``.npz`` among them, the page makes one of the joints.

    Raises:
        InputError: when made, if the joints have another shape or are not finite.
    """

    name: str
    joints: NDArray[np.float64]
    kind: MotionKind = "generated"
    contacts: NDArray[np.bool_] | None = None
    explained: Explained = field(default_factory=Explained)
    files: Sequence[File] = ()

    def __post_init__(self) -> None:
        check_joints(self.joints)
        if self.contacts is not None and self.contacts.shape != (len(self.joints), 4):
            raise InputError(f"contacts {self.contacts.shape} of {len(self.joints)} frames: expected (n, 4)")

    @classmethod
    def of_vectors(
        cls,
        name: str,
        vectors: NDArray[np.float32],
        kind: MotionKind = "generated",
        explained: Explained | None = None,
        files: Sequence[File] = (),
    ) -> "ShownMotion":
        """A motion of HumanML3D vectors ``(n, 263)``, with its contacts."""
        contacts = vectors[:, CONTACTS] > 0.5
        return cls(name, vectors_to_joints(vectors), kind, contacts, explained or Explained(), files)


@dataclass(frozen=True)
class ShownVideo:
    """A video that browsers play, whole."""

    name: str
    data: bytes
    mime: str = "video/mp4"


@dataclass(frozen=True)
class ShownSample:
    """A clip and the motions that answer it, in step; the first one is its picture in a gallery.

    Attributes:
        key: differs from those of the other samples.
        facts: names and values in words.
        metrics: numbers by the names of :class:`Metric`; what is not known is left out.
        video: None where the page does not hold it.
        sampled_seconds: when the frames that the model saw are shown.
        moment_seconds: when the right reaction begins, where that is known.
    """

    key: str
    title: str
    motions: Sequence[ShownMotion]
    category: str = ""
    facts: Sequence[tuple[str, str]] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    video: ShownVideo | None = None
    sampled_seconds: Sequence[float] = ()
    moment_seconds: float | None = None

    def __post_init__(self) -> None:
        if not self.motions:
            raise InputError(f"{self.key}: a sample without a motion cannot be shown")


@dataclass(frozen=True)
class Metric:
    """A number that samples can be sorted by: its name, what it is called, and which end is the better one."""

    name: str
    label: str
    unit: str = ""
    digits: int = 1
    higher_is_better: bool = False


@dataclass(frozen=True)
class ShownTable:
    """Cells of text, the first of a row its name, and lines that explain them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Document:
    """A whole page.

    Attributes:
        subtitle: what made the reactions, in a sentence.
        notes: what a reader must know, one line each, at the foot.
    """

    title: str
    samples: Sequence[ShownSample]
    subtitle: str = ""
    notes: Sequence[str] = ()
    metrics: Sequence[Metric] = ()
    tables: Sequence[ShownTable] = ()

    def __post_init__(self) -> None:
        keys = [sample.key for sample in self.samples]
        if not keys or len(set(keys)) < len(keys):
            raise InputError("a page needs at least one sample, and all of them need different keys")


def document_json(document: Document) -> dict[str, Any]:
    """The page as JSON values."""
    return {
        "schema": SCHEMA,
        "title": document.title,
        "subtitle": document.subtitle,
        "notes": list(document.notes),
        "fps": FPS,
        "body": body_json(),
        "metrics": [vars(metric) for metric in document.metrics],
        "tables": [
            {
                "title": table.title,
                "columns": list(table.columns),
                "rows": [list(row) for row in table.rows],
                "notes": list(table.notes),
            }
            for table in document.tables
        ],
        "samples": [sample_json(sample) for sample in document.samples],
    }


def sample_json(sample: ShownSample) -> dict[str, Any]:
    """A sample of the page as JSON values."""
    video, moment = sample.video, sample.moment_seconds
    return {
        "key": sample.key,
        "title": sample.title,
        "category": sample.category,
        "facts": [list(fact) for fact in sample.facts],
        "metrics": {name: value for name, value in sample.metrics.items() if np.isfinite(value)},
        "video": video and {"name": video.name, "mime": video.mime, "data": pack_bytes(video.data)},
        "sampled_seconds": [round(float(second), 4) for second in sample.sampled_seconds],
        "moment_seconds": None if moment is None else round(moment, 3),
        "motions": [_motion_json(motion) for motion in sample.motions],
    }


def _motion_json(motion: ShownMotion) -> dict[str, Any]:
    joints = pack_joints(motion.joints)
    weights, tokens = motion.explained.frame_weights, motion.explained.tokens
    return {
        "name": motion.name,
        "kind": motion.kind,
        "frames": len(motion.joints),
        "unit_m": joints.unit_m,
        "joints": joints.data,
        "contacts": None if motion.contacts is None else pack_bits(motion.contacts),
        "frame_weights": None if weights is None else [round(float(weight), 4) for weight in weights],
        "attention": _attention_json(motion.explained.attention),
        "tokens": None if tokens is None else tokens.T.tolist(),
        "files": [
            {"name": file.name, "mime": file.mime, "gzip": True, "data": pack_file(file.data)}
            for file in motion.files
        ],
    }


def _attention_json(attention: NDArray[np.float32] | None) -> dict[str, Any] | None:
    if attention is None or not attention.size:
        return None
    tokens, frames = attention.shape
    highest = float(attention.max())
    return {
        "tokens": tokens,
        "frames": frames,
        "highest": round(highest, 4),
        "data": pack_shares(attention, highest),
    }
