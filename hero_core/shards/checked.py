"""Shards on disk held to the SHA-256 of their manifest: hashed when they are first read, once a process."""

from collections.abc import Generator, Iterable
from pathlib import Path

from hero_core.errors import ShardError
from hero_core.shards.formats import open_reader
from hero_core.shards.record import ArrayRecord
from hero_core.storage import sha256_of_file


class CheckedShardReader:
    """A shard whose bytes are those that its manifest speaks of, or an error.

    It is hashed before it is opened, since damage can keep the HDF5 library busy for ever. That takes about a second
    for 1 to 2 GB, and brings the file into the memory that it is then read from.
    """

    def __init__(self, path: Path, sha256: str, advice: str) -> None:
        """Take the file, its SHA-256 by the manifest, and what to do if they disagree; nothing is opened yet."""
        self.path, self._sha256, self._advice = path, sha256, advice
        self._reader = open_reader(path)
        self._checked = False

    def __getitem__(self, key: str) -> ArrayRecord:
        self.check()
        return self._reader[key]

    def __contains__(self, key: object) -> bool:
        self.check()
        return key in self._reader

    def keys(self) -> list[str]:
        """Keys in the order of writing."""
        self.check()
        return self._reader.keys()

    def records(self, keys: Iterable[str]) -> Generator[ArrayRecord, None, None]:
        """See :class:`ShardReader`."""
        self.check()
        yield from self._reader.records(keys)

    def check(self) -> None:
        """Hash the file, if that was not done yet.

        Raises:
            ShardError: it is missing, cannot be read, or is not what the manifest speaks of.
        """
        if self._checked:
            return
        try:
            found = sha256_of_file(self.path)
        except FileNotFoundError:
            raise ShardError(
                f"{self.path}: missing, though the manifest points into it; {self._advice}"
            ) from None
        except OSError as error:
            raise ShardError(f"{self.path}: cannot be read: {error.strerror or error}") from None
        if found != self._sha256:
            raise ShardError(
                f"{self.path}: damaged, or of another folder: its sha256 is {found[:12]}…, "
                f"the manifest says {self._sha256[:12]}…; {self._advice}"
            )
        self._checked = True
