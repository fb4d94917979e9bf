"""Reading .npy and .npz files from anywhere: no pickles, no surprises in memory, clear refusals."""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import InputError

MEBIBYTE = 1 << 20
_MAGIC = b"\x93NUMPY"
_ZIP_MAGIC = b"PK\x03\x04"
# What numpy runs into where a file is not what its first bytes say.
_DAMAGE = (ValueError, TypeError, SyntaxError, TokenError, OverflowError, MemoryError, EOFError)


def read_npy(path: Path, max_bytes: int = 64 * MEBIBYTE) -> NDArray[Any]:
    """A numeric array of any byte order and memory order, as a native C-ordered one.

    Raises:
        InputError: no such file, larger than `max_bytes`, not a .npy file, truncated, or not made of numbers.
    """
    with _refusals(str(path)):
        check_size(str(path), path.stat().st_size, max_bytes)
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
        if not magic:
            raise InputError(f"{path}: empty file")
        if magic.startswith(_ZIP_MAGIC):
            raise InputError(f"{path}: not an .npy file but an .npz archive")
        if magic != _MAGIC:
            raise InputError(f"{path}: not an .npy file")
        return _native(np.load(path, mmap_mode="r", allow_pickle=False), str(path))


def read_npz(
    path: Path, names: Sequence[str], optional: Sequence[str] = (), max_bytes: int = 64 * MEBIBYTE
) -> dict[str, NDArray[Any]]:
    """The arrays `names`, and those of `optional` that exist, of an .npz archive. Nothing else in it is opened.

    Raises:
        InputError: no such file, not an archive, an array is missing, too large, damaged, or not made of numbers.
    """
    loaded = _load_npz(path, names, optional, max_bytes)
    return {name: _native(array, f"{path}: {name}") for name, array in loaded.items()}


def read_npz_text(path: Path, name: str, max_bytes: int = 4 * MEBIBYTE) -> str:
    """The text `name`, a string that was saved as an array, of an .npz archive.

    Raises:
        InputError: no such file, not an archive, the text is missing, too long, damaged, or no text.
    """
    text = _load_npz(path, (name,), (), max_bytes)[name]
    if not isinstance(text, np.ndarray) or text.dtype.kind != "U" or text.shape != ():
        raise InputError(f"{path}: {name}: expected a text")
    return str(text)


def check_size(label: str, size: int, max_bytes: int) -> None:
    """Refuse what is larger than a motion can be.

    Raises:
        InputError: naming both sizes.
    """
    if size > max_bytes:
        raise InputError(
            f"{label}: {size / MEBIBYTE:.0f} MiB, more than the {max_bytes / MEBIBYTE:.0f} MiB allowed"
        )


@contextmanager
def _refusals(label: str) -> Iterator[None]:
    """Errors of numpy and the system, in words for whoever made the file."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{label}: cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, zlib.error, RuntimeError):  # RuntimeError: encrypted
        raise InputError(f"{label}: not an .npz archive, or a damaged one") from None
    except _DAMAGE as error:
        raise InputError(f"{label}: {_in_words(str(error))}") from None


def _in_words(numpys: str) -> str:
    if "object" in numpys.lower():
        return "holds pickled Python objects, which are never opened; save plain numbers"
    if "mmap length" in numpys or "reading array data" in numpys:
        return "truncated: its header promises more numbers than there are; copy or save it again"
    if "max_header_size" in numpys:  # the rest is advice for who calls numpy
        return "damaged .npy (its header is too long); save it again with np.save"
    return f"damaged .npy ({' '.join(numpys.split())}); save it again with np.save"


def _load_npz(path: Path, names: Sequence[str], optional: Sequence[str], max_bytes: int) -> dict[str, Any]:
    with _refusals(str(path)):
        if not zipfile.is_zipfile(path):
            path.open("rb").close()  # a missing file is told as such
            raise InputError(f"{path}: not an .npz archive, or a damaged one")
        with np.load(path, allow_pickle=False) as archive:
            if missing := [name for name in names if name not in archive]:
                raise InputError(f"{path}: lacks {', '.join(missing)}; it holds {', '.join(sorted(archive))}")
            sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.zip.infolist()}
            loaded = {}
            for name in (*names, *(name for name in optional if name in archive)):
                label = f"{path}: {name}"
                check_size(label, sizes[name], max_bytes)
                with _refusals(label):
                    loaded[name] = archive[name]
            return loaded


def _native(array: Any, label: str) -> NDArray[Any]:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        found = array.dtype if isinstance(array, np.ndarray) else "no array"
        raise InputError(f"{label}: holds {found}, expected numbers")
    native: NDArray[Any] = np.array(array, array.dtype.newbyteorder("="), order="C")
    return native
