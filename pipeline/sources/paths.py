"""Paths inside a source: safe, unique keys; nothing outside the roots."""

import hashlib
import os
import posixpath
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from hero_core.errors import InputError
from pipeline.sources.records import UNKNOWN, SourceMotion, SourceVideo

# fmt: off
VIDEO_SUFFIXES = frozenset({
    ".3gp", ".asf", ".avi", ".f4v", ".flv", ".gif", ".h264", ".h265", ".hevc", ".ivf", ".m2ts",
    ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".qt", ".ts", ".vob",
    ".webm", ".wmv", ".y4m",
})
# fmt: on

_LEAVES = re.compile(r"(^|[/\\])\.\.([/\\]|$)|^[A-Za-z]:|^\\\\|\0")
"""A step up, a drive or share of Windows, or what no path holds."""
_LONGEST_KEY = 150  # characters; file systems and tar stop at 255 bytes
_VIDEO_FOLDERS = {"video", "videos"}


def suffix_of(path: str) -> str:
    """Suffix in lower case, e.g. ``.mp4``."""
    return posixpath.splitext(path)[1].lower()


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


class Roots:
    """The folders that listed paths may start from, the source's own first.

    Raises:
        InputError: one of the others is no folder.
    """

    def __init__(self, own: Path, others: Sequence[Path] = ()) -> None:
        if absent := [folder for folder in others if not folder.is_dir()]:
            raise InputError(f"--root {absent[0]}: no such folder")
        unique: dict[Path, Path] = {}
        for folder in (own, *others):
            unique.setdefault(folder.resolve(), folder.absolute())
        self.folders = tuple(unique.values())
        self.own = self.folders[0]
        # An absolute path may be spelled with links or without.
        self._spellings = unique | dict(zip(self.folders, self.folders, strict=True))

    def locate(self, text: str, where: str) -> tuple[str, Path]:
        """A listed path from its root, with forward slashes, and the file that it stands for.

        A relative path is the file of the first root that has it; where none has it, of the first root, so that
        whoever opens it reports it. An absolute path is that very file.

        Raises:
            InputError: the path is empty, or leads out of all roots; ``where`` names the line.
        """
        root, relative = self._divide(text)
        if _LEAVES.search(text) or relative.startswith("/"):
            homes = " and ".join(str(folder) for folder in self.folders)
            raise InputError(
                f"{where}: {text!r} leads out of {homes}; name the folder that holds the file with --root DIR, "
                "and list the path from there, without '..'"
            )
        if relative == ".":
            raise InputError(f"{where}: an empty path")
        return relative, (root or (self._homes(relative) or self.folders)[0]) / relative

    def relative(self, text: str) -> str:
        """An absolute path inside a root from there; any other path as it is."""
        return self._divide(text)[1] if text else text

    def _divide(self, text: str) -> tuple[Path | None, str]:
        """Root and path from there of an absolute path inside one; else no root, and the path as it is."""
        if text.startswith("/"):
            for spelled, root in self._spellings.items():
                if Path(text).is_relative_to(spelled):
                    return root, Path(text).relative_to(spelled).as_posix()
        return None, posixpath.normpath(text)

    def shadowed(self, files: Iterable[SourceVideo | SourceMotion]) -> list[str]:
        """A note where roots hold files of the same relative path, of which one only is read."""
        twice = [file for file in files if len(self._homes(file.relative)) > 1]
        if not twice:
            return []
        return [
            f"{len(twice)} listed files lie in more than one root; of {twice[0].relative}, {twice[0].path} is read"
        ]

    def _homes(self, relative: str) -> Sequence[Path]:
        """Roots that have the file; a single root is not looked into."""
        if len(self.folders) == 1:
            return self.folders
        return [folder for folder in self.folders if os.access(folder / relative, os.F_OK)]


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
