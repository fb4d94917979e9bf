"""Seals: a file that holds the SHA-256 of its own bytes, so that a change of any one of them is noticed.

A seal is ``hero-seal:`` and 64 hex digits, the SHA-256 of the file with zeros in place of these digits. In JSON, also
in the header of a checkpoint, it is the value of ``seal``; in parquet it stands in the metadata. A file without one is
of an earlier version, or its seal is what was damaged: it is read, and ``hero-pipeline verify`` reports it.
"""

import hashlib
import json
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from hero_core.errors import InputError, ManifestError
from hero_core.storage import write_bytes

SEAL_KEY = "seal"
_MARK = b"hero-seal:"
_ZEROS = b"0" * 64
UNSEALED = (_MARK + _ZEROS).decode()
"""What stands in a file until it is sealed."""

Seal = Literal["whole", "broken", "absent"]


def sealed(data: bytes) -> bytes:
    """The file with its seal, in place of :data:`UNSEALED`.

    Raises:
        InputError: it holds no such place, or several, or something that looks like a seal behind it.
    """
    mark = data.find(UNSEALED.encode())
    start, end = mark + len(_MARK), mark + len(UNSEALED)
    if mark < 0 or data.rfind(_MARK) != mark:  # the last one is the one that is looked for
        raise InputError(
            f"cannot be sealed: {_MARK.decode()!r} before {len(_ZEROS)} zeros must stand in it once, and last"
        )
    return b"".join((data[:start], hashlib.sha256(data).hexdigest().encode(), data[end:]))


def seal_of(data: bytes | mmap.mmap) -> Seal:
    """Whether bytes are as they were when they were sealed."""
    start = data.rfind(_MARK)
    if start < 0:
        return "absent"
    start, end = start + len(_MARK), start + len(_MARK) + len(_ZEROS)
    with memoryview(data) as view:  # nothing is copied
        digest = hashlib.sha256(view[:start])
        digest.update(_ZEROS)
        digest.update(view[end:])
        return "whole" if bytes(view[start:end]) == digest.hexdigest().encode() else "broken"


def seal_of_file(path: Path) -> Seal:
    """Whether a file is as it was when it was sealed; about a second for 1 to 2 GB.

    Raises:
        InputError: it is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                return "absent"
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return seal_of(data)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def require_unbroken(path: Path, seal: Seal, advice: str) -> None:
    """Refuse a file whose bytes changed.

    Raises:
        ManifestError: with ``advice``, what to do.
    """
    if seal == "broken":
        raise ManifestError(f"{path}: damaged or edited, its bytes are not those that were written; {advice}")


def write_sealed_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write readable JSON with a seal atomically; the same values give the same bytes."""
    text = json.dumps(
        {**values, SEAL_KEY: UNSEALED}, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False
    )
    write_bytes(path, sealed(f"{text}\n".encode()))
