"""Reading .npy and .npz files from anywhere: no pickles, no surprises in memory, clear refusals."""

import math
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from hero_core.errors import InputError

MEBIBYTE = 1 << 20
_MAGIC = b"\x93NUMPY"
_ZIP_MAGIC = b"PK\x03\x04"
_HEADER_READERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}


def read_npy(path: Path, max_bytes: int = 64 * MEBIBYTE) -> NDArray[Any]:
    """A numeric array of any byte order and memory order, as a native C-ordered one.

    Raises:
        InputError: no such file, larger than `max_bytes`, not a .npy file, truncated, or not made of numbers.
    """
    try:
        size = path.stat().st_size
        _check_size(path, size, max_bytes)
        with path.open("rb") as file:
            return _parse_npy(file, size, str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def read_npz(
    path: Path, names: Sequence[str], optional: Sequence[str] = (), max_bytes: int = 64 * MEBIBYTE
) -> dict[str, NDArray[Any]]:
    """The arrays `names`, and those of `optional` that exist, of an .npz archive. Nothing else in it is opened.

    Raises:
        InputError: no such file, not an archive, an array is missing, too large, damaged, or not made of numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            missing = [name for name in names if name not in members]
            if missing:
                raise InputError(f"{path}: lacks {', '.join(missing)}; it holds {', '.join(sorted(members))}")
            arrays = {}
            for name in (*names, *(name for name in optional if name in members)):
                label = f"{path}: {name}"
                _check_size(label, members[name].file_size, max_bytes)
                with archive.open(members[name]) as file:
                    arrays[name] = _parse_npy(file, members[name].file_size, label)
            return arrays
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError):  # RuntimeError: encrypted
        raise InputError(f"{path}: not an .npz archive, or a damaged one") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _check_size(label: Path | str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise InputError(
            f"{label}: {size / MEBIBYTE:.0f} MiB, more than the {max_bytes / MEBIBYTE:.0f} MiB allowed"
        )


def _parse_npy(file: Any, size: int, label: str) -> NDArray[Any]:
    """One .npy from a binary stream of `size` bytes. The header's claims are checked before memory is taken."""
    magic = file.read(len(_MAGIC) + 2)
    if not magic:
        raise InputError(f"{label}: empty file")
    if magic.startswith(_ZIP_MAGIC):
        raise InputError(f"{label}: not an .npy file but an .npz archive")
    if not magic.startswith(_MAGIC) or len(magic) < len(_MAGIC) + 2:
        raise InputError(f"{label}: not an .npy file")
    shape, fortran_order, dtype, header_bytes = _parse_header(file, (magic[-2], magic[-1]), label)
    if dtype.hasobject:
        raise InputError(f"{label}: holds pickled Python objects, which are never opened; save plain numbers")
    if dtype.kind not in "fiu":
        raise InputError(f"{label}: holds {dtype}, expected numbers")
    expected = math.prod(shape) * dtype.itemsize
    data = file.read(expected) if expected <= size - header_bytes else b""
    if len(data) < expected:
        raise InputError(
            f"{label}: truncated: its header promises {expected} bytes of numbers, "
            f"there are {max(size - header_bytes, 0)}"
        )
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran_order else "C")
    return np.ascontiguousarray(array, dtype.newbyteorder("=")).reshape(shape)


def _parse_header(
    file: Any, version: tuple[int, int], label: str
) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether Fortran order, dtype, and the bytes read so far."""
    if version not in _HEADER_READERS:
        raise InputError(f"{label}: .npy version {version} is not supported; save it again with np.save")
    try:
        shape, fortran_order, dtype = _HEADER_READERS[version](file)
    except (ValueError, TypeError, SyntaxError, TokenError):  # whatever numpy's parser runs into
        raise InputError(f"{label}: damaged .npy header") from None
    if any(length < 0 for length in shape):
        raise InputError(f"{label}: damaged .npy header")
    return shape, fortran_order, dtype, file.tell()
