"""What worker processes do: read one input and bring back what there is in it, or why there is nothing.

Kept free of torch, so that workers start at once. A failure is a value, not an exception.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from hero_core.errors import InputError
from hero_core.storage import sha256_of_file
from pipeline.decode.checks import DecodeError, DecodeLimits
from pipeline.decode.video import DecodedClip, decode_clip
from pipeline.motions import LoadedMotion, MotionConversion, MotionError, load_motion


@dataclass(frozen=True)
class Input:
    """One file to read.

    Attributes:
        key: of the file in its source.
        path: absolute.
        relative: from the root of the source.
        made_by: how it will be read, see :func:`hero_core.cache.record_key`.
        known_sha256: content that an earlier run has settled; nothing is read where it is still the same.
        stated_fps: rate of a motion as its list states it.
    """

    key: str
    path: Path
    relative: str
    made_by: str
    known_sha256: str | None = None
    stated_fps: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of an input.

    Attributes:
        content: what was read; None where nothing was, or nothing new.
        unchanged: the content is the known one.
        stage, reason: where and why it failed.
    """

    input: Input
    sha256: str | None = None
    bytes: int | None = None
    modified_ns: int | None = None
    content: DecodedClip | LoadedMotion | None = None
    unchanged: bool = False
    stage: str | None = None
    reason: str | None = None


def decode_video(item: Input, size: int, samples: int, limits: DecodeLimits, rotate: bool) -> Outcome:
    """Decode one video to ``samples`` frames of ``size`` x ``size`` pixels."""
    outcome = _opened(item)
    if outcome.unchanged or outcome.reason:
        return outcome
    try:
        return replace(outcome, content=decode_clip(item.path, limits, size, samples, rotate))
    except DecodeError as error:
        return replace(outcome, stage=error.stage, reason=error.reason)


def convert_motion(item: Input, conversion: MotionConversion) -> Outcome:
    """Convert one motion to HumanML3D vectors."""
    outcome = _opened(item)
    if outcome.unchanged or outcome.reason:
        return outcome
    try:
        return replace(outcome, content=load_motion(item.path, conversion, item.stated_fps))
    except MotionError as error:
        return replace(outcome, stage="motion", reason=error.reason)
    except InputError as error:  # of the body model, not of this file
        return replace(outcome, stage="motion", reason=str(error))


def _opened(item: Input) -> Outcome:
    """Size, time and content of the file, so far."""
    try:
        status = item.path.stat()
        if not item.path.is_file():
            return Outcome(item, stage="open", reason="not a file")
        sha256 = sha256_of_file(item.path)
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror
        return Outcome(item, stage="open", reason=reason or type(error).__name__)
    return Outcome(item, sha256, status.st_size, status.st_mtime_ns, unchanged=sha256 == item.known_sha256)
