"""A folder tree of videos: ``broad/subcategory/*.mp4``, or flat."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from hero_core.errors import InputError
from pipeline.sources.paths import VIDEO_SUFFIXES, categories_of
from pipeline.sources.rows import Row


def folder_rows(root: Path, broad_names: Sequence[str]) -> Iterator[Row]:
    """A row for every video below ``root``, sorted; hidden files and folders are passed over.

    Raises:
        InputError: a folder cannot be read, or a file name is no text that a table could hold.
    """
    for relative in sorted(_video_paths(root)):
        if not _is_text(relative):
            raise InputError(f"{root}: file name {relative!r} is not UTF-8; rename the file")
        broad, subcategory = categories_of(relative, broad_names)
        yield Row(str(root / relative), relative, None, broad, subcategory)


def _video_paths(root: Path) -> Iterator[str]:
    seen: set[Path] = set()  # linked folders are followed, once
    for folder, folders, files in os.walk(root, followlinks=True, onerror=_refuse):
        resolved = Path(folder).resolve()
        if resolved in seen:
            folders.clear()
            continue
        seen.add(resolved)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if Path(name).suffix.lower() in VIDEO_SUFFIXES and not name.startswith("."):
                yield Path(folder, name).relative_to(root).as_posix()


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes of the name that Python could not decode
        return False
    return True


def _refuse(error: OSError) -> None:
    raise InputError(f"{error.filename}: cannot be read: {error.strerror}")
