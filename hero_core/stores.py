"""Object stores, ``s3://`` and ``gs://``: whole files go there and come back, and none is ever half there."""

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from pyarrow import ArrowException
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem, copy_files

from hero_core.errors import InputError, OutputError
from hero_core.storage import atomic_path

SCHEMES = ("s3", "gs")
READ_ATTEMPTS = 3
"""Beyond those of the library, which gives up where an error is longer than the little that was asked for."""
_KEYS = re.compile(r"(?<=://)[^/@]*@")


def shown(place: str) -> str:
    """A place as it may be printed: without the keys that may stand in a URL."""
    return _KEYS.sub("", place) if is_remote(place) else place


def is_remote(place: str) -> bool:
    """Whether a place is in an object store, and not a folder here."""
    return urlsplit(place).scheme in SCHEMES


class MissingError(InputError):
    """A file that is not in the store, which has said so."""


class StoredFile(NamedTuple):
    """A file of a store; ``modified_ns`` is the store's time of writing."""

    name: str
    bytes: int
    modified_ns: int


class Store:
    """A folder of an object store. Requests that fail for a while are repeated by the library below."""

    def __init__(self, url: str) -> None:
        """Take the folder. The store is asked for the bucket's region, unless ``?region=...`` says it.

        Args:
            url: ``s3://BUCKET/FOLDER`` or ``gs://BUCKET/FOLDER``. Keys and region come from the environment, as for
                other programs; an own server is ``?endpoint_override=HOST:PORT&scheme=http`` behind it.

        Raises:
            InputError: not such a URL.
        """
        self.url = shown(url)
        try:
            self._files, self._root = FileSystem.from_uri(url)
        except (ArrowException, OSError, ValueError) as error:
            raise InputError(f"{self.url}: not a place in an object store: {error}") from None
        if not self._root:
            raise InputError(f"{self.url}: not a place in an object store: it names no bucket")

    def put(self, path: Path, name: str) -> None:
        """Send a file; it appears under its name when it is complete.

        Raises:
            OutputError: it cannot be sent.
        """
        try:
            copy_files(
                str(path),
                self._place(name),
                source_filesystem=LocalFileSystem(),
                destination_filesystem=self._files,
            )
        except (ArrowException, OSError) as error:
            raise OutputError(f"{self.url}: {name} cannot be written: {error}") from None

    def get(self, name: str, path: Path) -> None:
        """Fetch a file.

        Raises:
            InputError: it cannot be read; a :class:`MissingError` where it is not there.
        """
        with atomic_path(path) as temporary:
            self.read(name, temporary)

    def read(self, name: str, path: Path) -> None:
        """Fetch a file into ``path``, which may hold a part of it if that fails; raises as :meth:`get` does."""
        for attempt in range(1, READ_ATTEMPTS + 1):
            try:
                copy_files(
                    self._place(name),
                    str(path),
                    source_filesystem=self._files,
                    destination_filesystem=LocalFileSystem(),
                )
            except FileNotFoundError:
                raise MissingError(f"{self.url}: {name} cannot be read: it is not there") from None
            except (ArrowException, OSError) as error:
                if attempt == READ_ATTEMPTS:
                    raise InputError(f"{self.url}: {name} cannot be read: {error}") from None
            else:
                return

    def names(self, folder: str) -> list[str]:
        """Names of all files below a folder, sorted; raises as :meth:`files` does."""
        return [file.name for file in self.files(folder)]

    def files(self, folder: str) -> list[StoredFile]:
        """All files below a folder, sorted by name; none where there is no such folder.

        Raises:
            InputError: the store does not answer.
        """
        try:
            found = self._files.get_file_info(
                FileSelector(self._place(folder), recursive=True, allow_not_found=True)
            )
        except (ArrowException, OSError) as error:
            raise InputError(f"{self.url}: cannot be listed: {error}") from None
        return sorted(
            StoredFile(info.path.removeprefix(f"{self._root}/"), info.size or 0, info.mtime_ns or 0)
            for info in found
            if info.type == FileType.File
        )

    def _place(self, name: str) -> str:
        return f"{self._root}/{name}"
