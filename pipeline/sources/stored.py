"""A folder that looks like one of an object store, of which single files are fetched while they are needed."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hero_core.storage import writing
from hero_core.stores import MissingError, Store, StoredFile


@dataclass(frozen=True)
class StoredFolder:
    """A folder of a store and what looks like it here.

    What stands for a file has its size and its time, and takes no room: who lists, plans or compares needs no more.

    Attributes:
        address: what was named, as it may be printed.
        store: where the files are.
        folder: absolute; what looks like it.
    """

    address: str
    store: Store
    folder: Path

    def stand_in_for(self, files: Sequence[StoredFile]) -> None:
        """Put something in the place of each file.

        Raises:
            OutputError: it cannot be written.
        """
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for file in files:
                path = self.folder / file.name
                path.parent.mkdir(parents=True, exist_ok=True)
                _stand_in(path, file.bytes, file.modified_ns)

    def holds(self, path: Path) -> bool:
        """Whether this is a file of the folder, and not of another root."""
        return path.is_relative_to(self.folder) and path.exists()

    def fetch(self, path: Path) -> None:
        """Put the content of a file in its place; a file that is gone from the store is gone then.

        Raises:
            InputError: the store does not answer.
            OutputError: it cannot be written.
        """
        modified_ns = path.stat().st_mtime_ns
        try:
            self.store.read(path.relative_to(self.folder).as_posix(), path)
        except MissingError:
            path.unlink()
        else:
            os.utime(path, ns=(modified_ns, modified_ns))

    def drop(self, path: Path) -> None:
        """Let go of the content of a file that was fetched; its size and its time stay."""
        if self.holds(path):
            status = path.stat()
            _stand_in(path, status.st_size, status.st_mtime_ns)


def _stand_in(path: Path, size: int, modified_ns: int) -> None:
    """A file with a hole in place of its content."""
    with path.open("wb") as file:
        file.truncate(size)
    os.utime(path, ns=(modified_ns, modified_ns))
