"""What worker processes do: read one input and bring back what there is in it, or why there is nothing.

Kept free of torch, so that workers start at once. A failure is a value, not an exception.
"""

import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path

from hero_core.errors import InputError
from hero_core.storage import sha256_of_file
from pipeline.decode.checks import DecodeError, DecodeLimits
from pipeline.decode.video import DecodedClip, decode_clip
from pipeline.motions import LoadedMotion, MotionConversion, MotionError, load_motion

_LAST_NS = 2**63 - 1
"""In the year 2262; a broken clock or disk may state any time."""


@dataclass(frozen=True, slots=True)
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


def size_and_time(status: os.stat_result) -> tuple[int, int]:
    """Bytes of a file and when it changed, nanoseconds; a time that 64 bits cannot hold is the last that they can."""
    return status.st_size, min(max(status.st_mtime_ns, -_LAST_NS), _LAST_NS)


def kill_seconds_of(item: Input, limits: DecodeLimits) -> float:
    """Wall time after which a process that reads this input is killed; it follows the size, and nothing is opened."""
    try:
        size = item.path.stat().st_size
    except OSError:
        size = 0
    return limits.kill_seconds(size)


def files_read_for(item: Input, body_model: Path | None) -> list[Path]:
    """What a process opens that reads this input."""
    return [item.path] if body_model is None else [item.path, body_model]


def broken(item: Input, stage: str, reason: str) -> Outcome:
    """What became of an input that broke the process which read it; nothing is read here.

    Its size and time stand in the outcome, so that it is left alone until it changes.
    """
    try:
        status = item.path.stat()
    except OSError:
        return Outcome(item, stage=stage, reason=reason)
    size, modified_ns = size_and_time(status)
    return Outcome(item, bytes=size, modified_ns=modified_ns, stage=stage, reason=reason)


def _opened(item: Input) -> Outcome:
    """Size, time and content of the file, so far. What is not a plain file is never opened: a pipe would wait."""
    try:
        status = item.path.stat()
        if not stat.S_ISREG(status.st_mode):
            return Outcome(item, stage="open", reason=_not_a_file(status.st_mode))
        sha256 = sha256_of_file(item.path)
    except OSError as error:
        return Outcome(item, stage="open", reason=_why_not_opened(item.path, error))
    return Outcome(item, sha256, *size_and_time(status), unchanged=sha256 == item.known_sha256)


def _not_a_file(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    kind = kinds.get(stat.S_IFMT(mode))
    return f"not a file but {kind}" if kind else "not a file"


def _why_not_opened(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "a link to a missing file" if os.path.islink(path) else "no such file"  # noqa: PTH114  never raises
    return error.strerror or type(error).__name__
