"""Paths inside a source: safe, unique keys; nothing outside the root."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath

from hero_core.errors import InputError
from pipeline.sources.records import UNKNOWN

# fmt: off
VIDEO_SUFFIXES = frozenset({
    ".3gp", ".asf", ".avi", ".f4v", ".flv", ".gif", ".h264", ".h265", ".hevc", ".ivf", ".m2ts",
    ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".qt", ".ts", ".vob",
    ".webm", ".wmv", ".y4m",
})
# fmt: on
MOTION_SUFFIXES = frozenset({".npy", ".npz", ".bvh"})

_LONGEST_KEY = 150  # characters; file systems and tar stop at 255 bytes
_VIDEO_FOLDERS = {"video", "videos"}


def key_for(relative: str) -> str:
    """Key of a file: its relative path in letters, digits, ``_`` and ``-`` only, e.g. ``a/b.mp4`` -> ``a__b-mp4``.

    Where that loses something (the path cannot be read back from the key), the first 8 hex digits of the path's
    sha256 are appended, so two files do not share a key.
    """
    key = re.sub(r"[^A-Za-z0-9_-]", "-", relative.replace("/", "__"))
    if key.replace("__", "/").replace("-", ".") == relative and len(key) <= _LONGEST_KEY:
        return key
    digest = hashlib.sha256(relative.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{key[: _LONGEST_KEY - 9]}-{digest}"


def safe_relative(text: str, where: str) -> str:
    """A path from a list, normalised to forward slashes.

    Raises:
        InputError: it is empty, absolute, or climbs out of the folder; ``where`` names the line.
    """
    path = PurePosixPath(text)
    outside = path.is_absolute() or PureWindowsPath(text).drive or ".." in re.split(r"[/\\]", text)
    if outside or "\0" in text:
        raise InputError(
            f"{where}: {text!r} leads out of the folder; list paths relative to it, without '..'"
        )
    if not path.parts:
        raise InputError(f"{where}: an empty path")
    return path.as_posix()


def categories_of(relative: str, broad_names: Sequence[str]) -> tuple[str, str]:
    """Broad category and subcategory of a video, read off its folders.

    A folder named like one of ``broad_names`` (whatever the case, and whether written with ``-``, ``_`` or a
    space) is the broad category, and the folder in it the subcategory. Otherwise the two outermost folders
    (``videos/`` aside) are; a single one is a subcategory.
    """
    folders = list(PurePosixPath(relative).parts[:-1])
    spelled = {_plain(name): name for name in broad_names}
    for depth, folder in enumerate(folders):
        if _plain(folder) in spelled:
            return spelled[_plain(folder)], (folders[depth + 1 : depth + 2] or [UNKNOWN])[0]
    if folders and folders[0].lower() in _VIDEO_FOLDERS:
        folders = folders[1:]
    if len(folders) >= 2:
        return folders[0], folders[1]
    return UNKNOWN, (folders or [UNKNOWN])[0]


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.strip().lower())
