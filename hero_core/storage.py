"""The one way a file appears: written aside, flushed, renamed, its folder flushed. Complete or not at all."""

import csv
import errno
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import HeroError, InputError, OutputError

TEMPORARY_SUFFIX = ".partial"


_MENDED_BY = {
    errno.EEXIST: "a file stands where a folder is needed; name another folder",
    errno.ENOTDIR: "a file stands where a folder is needed; name another folder",
    errno.ENOSPC: "make room on its disk",
    errno.EDQUOT: "make room in your quota",
    errno.EFBIG: "allow larger files there (ulimit -f, or another file system)",
    errno.EROFS: "make it writable, or name another folder",
    errno.EACCES: "make it writable, or name another folder",
    errno.EPERM: "make it writable, or name another folder",
}
_NUMBER = re.compile(r"(?:errno = |os error )(\d+)")
"""How HDF5 and safetensors, which raise errors of their own, state the system's."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one line why ``path`` cannot be written, and what helps.

    Raises:
        OutputError: in place of what the system, or a library on its behalf, says.
    """
    try:
        yield
    except HeroError:
        raise
    except Exception as error:
        why = _why_not_written(path, error)
        if why is None:
            raise
        raise OutputError(f"{path}: cannot be written: {why}, and run the same command again") from error


def _why_not_written(path: Path, error: Exception) -> str | None:
    """What the system says and what helps; None for an error that is not about writing ``path``."""
    stated = _NUMBER.search(str(error))
    if isinstance(error, OSError):
        number, named = error.errno, error.filename
        if named is not None and not _is_about(Path(os.fsdecode(named)), path):
            return None
    elif stated is not None:
        number = int(stated[1])
    else:
        return None
    said = os.strerror(number) if number else str(error)
    return f"{said}; {_MENDED_BY.get(number or 0, 'see to its disk')}"


def _is_about(named: Path, path: Path) -> bool:
    """Whether a file is ``path``, a folder that it is in, or a file beside it."""
    return path.parent in (named, *named.parents) or named in path.parents


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``; on success flushed to disk and renamed to ``path``, else removed.

    Raises:
        OutputError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _fsync(temporary)
            temporary.replace(path)
            _fsync(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_partial_files(folder: Path, spare_living: bool = False) -> None:
    """Remove what killed processes left behind in ``folder`` (not below it).

    Where others may write, ``spare_living`` leaves what a living process of this machine is writing.

    Raises:
        OutputError: the folder may not be written.
    """
    for leftover in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        writer = leftover.name.removesuffix(TEMPORARY_SUFFIX).rpartition(".")[2]
        if leftover.is_file() and not (spare_living and writer.isdigit() and _lives(int(writer))):
            with writing(folder):
                leftover.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    """Whether another process of this machine has this number."""
    if process == os.getpid():
        return False
    if os.name != "posix":  # where asking would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside ``folder``; on success it takes the place of ``folder``, else it is removed.

    After a kill between the two renames the old folder is ``.NAME.old``; the next call brings it back first.

    Raises:
        OutputError: it cannot be written.
    """
    fresh, old = (folder.with_name(f".{folder.name}.{suffix}") for suffix in ("partial", "old"))
    try:
        with writing(folder):
            if old.exists() and not folder.exists():
                old.rename(folder)  # killed between the two renames below
            for leftover in (fresh, old):
                shutil.rmtree(leftover, ignore_errors=True)
            fresh.mkdir(parents=True)
            yield fresh
            _fsync(fresh)
            if folder.exists():
                folder.rename(old)
            fresh.rename(folder)
            _fsync(folder.parent)
    finally:
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write readable JSON atomically; the same values give the same bytes."""
    write_text(path, json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table for people and spreadsheets atomically; other values of a row are left out."""
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    table.writeheader()
    table.writerows(rows)
    write_text(path, text.getvalue())


def write_npy(path: Path, array: NDArray[Any]) -> None:
    """Write one array atomically, without pickles."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: the file is missing, not JSON, or not an object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected a JSON object, found {type(values).__name__}")
    return values


def sha256_of_file(path: Path) -> str:
    """Hex sha256 of a file's bytes, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_json(values: Mapping[str, Any]) -> str:
    """Hex sha256 of a JSON object, independent of key order."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
