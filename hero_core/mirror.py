"""A folder that grows here, file by file, and lives in an object store."""

import hashlib
from pathlib import Path
from typing import NamedTuple, Self

from hero_core.stores import Store, is_remote

MOST_BYTES = 16 * 1024**3
"""Of fetched files that are kept, unless said otherwise."""


class Mirror:
    """Sends finished files to the store and fetches those that are needed; of these it keeps what there is room for."""

    def __init__(self, store: Store, folder: Path, most_bytes: int) -> None:
        """Take the two.

        Args:
            store: where the files are.
            folder: where copies of them are.
            most_bytes: of fetched files that are kept; the newest one may be larger.
        """
        self.store, self.folder, self._most_bytes = store, folder, most_bytes
        self._fetched: dict[Path, int] = {}  # bytes, the one used last at the end

    def push(self, path: Path, keep: bool = True) -> None:
        """Send a finished file of the folder; ``keep`` the copy."""
        self.store.put(path, path.relative_to(self.folder).as_posix())
        if not keep:
            path.unlink()

    def pull(self, name: str) -> None:
        """Fetch all files below a folder of the store, in place of those that are here."""
        names = self.store.names(name)
        here = self.folder / name
        for old in sorted(here.rglob("*")) if here.is_dir() else []:
            if old.is_file() and old.relative_to(self.folder).as_posix() not in names:
                old.unlink()
        for each in names:
            self.store.get(each, self.folder / each)

    def fetch(self, path: Path) -> None:
        """Make sure that a file of the folder is here; in turn, those that were used longest ago may go."""
        size = self._fetched.pop(path, None)
        if size is None or not path.exists():
            self.store.get(path.relative_to(self.folder).as_posix(), path)
            size = path.stat().st_size
        self._fetched[path] = size
        while sum(self._fetched.values()) > self._most_bytes and len(self._fetched) > 1:
            oldest = next(iter(self._fetched))
            del self._fetched[oldest]
            oldest.unlink(missing_ok=True)


class Place(NamedTuple):
    """Where a folder is: here, and if it lives in an object store, how it gets there and back."""

    folder: Path
    mirror: Mirror | None = None

    @classmethod
    def of(cls, text: str, work: Path, most_bytes: int = MOST_BYTES) -> Self:
        """A path, or a URL of an object store, of which copies lie in a folder of its own under ``work``.

        Raises:
            InputError: a URL of a store, but not of a folder in it.
        """
        if not is_remote(text):
            return cls(Path(text))
        folder = work / hashlib.sha256(text.encode()).hexdigest()[:16]
        return cls(folder, Mirror(Store(text), folder, most_bytes))
