"""Shards behind a URL: copied when they are first needed, checked, read from the copy, and the copy let go of."""

import hashlib
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, cast
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import fsspec

from hero_core.errors import ShardError
from hero_core.shards.formats import open_reader
from hero_core.shards.record import ArrayRecord, ShardReader

ATTEMPTS = 4
PAUSE_SECONDS = 2.0
"""Before the second attempt; twice as long before each further one."""

_TIMEOUT_SECONDS = 60.0
_CHUNK_BYTES = 1 << 20


class RemoteShardReader:
    """A shard at ``http(s)://``, or wherever an installed fsspec can read (``s3://``, ``gs://``).

    A whole copy, so that no connection waits for the training. Its bytes are held to the SHA-256 of the manifest.
    """

    def __init__(self, url: str, sha256: str) -> None:
        self._url, self._sha256 = url, sha256
        self._reader: ShardReader | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_reader": None}

    def __getitem__(self, key: str) -> ArrayRecord:
        return self._open()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._open()

    def keys(self) -> list[str]:
        """Keys in the order of writing."""
        return self._open().keys()

    def records(self, keys: Iterable[str]) -> Generator[ArrayRecord, None, None]:
        """See :class:`ShardReader`; the copy lives as long as it is read."""
        with self._copy() as path:
            yield from open_reader(path, self._url).records(keys)

    def _open(self) -> ShardReader:
        if self._reader is None:
            with self._copy() as path:
                reader = open_reader(path, self._url)
                reader.keys()  # opens it, and what is open outlives the file's name
            self._reader = reader
        return self._reader

    @contextmanager
    def _copy(self) -> Iterator[Path]:
        with TemporaryDirectory(prefix="hero-shard-") as folder:
            path = Path(folder) / Path(urlsplit(self._url).path).name
            self._fetch(path)
            yield path

    def _fetch(self, path: Path) -> None:
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
            try:
                if _copied(self._url, path) == self._sha256:
                    return
                wrong = "its SHA-256 is not that of the manifest; it is damaged, or of another training set"
            except (OSError, HTTPException, ValueError, ImportError) as error:
                wrong = f"cannot be read: {error}"
                if isinstance(error, FileNotFoundError | ImportError) or _refused(error):
                    break
        raise ShardError(f"{self._url}: {wrong}")


def _refused(error: Exception) -> bool:
    """Whether asking again is of no use."""
    return isinstance(error, HTTPError) and 400 <= error.code < 500


def _copied(url: str, path: Path) -> str:
    """Copy to ``path``; returns the SHA-256."""
    digest = hashlib.sha256()
    with _opened(url) as source, path.open("wb") as copy:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            copy.write(chunk)
    return digest.hexdigest()


def _opened(url: str) -> AbstractContextManager[BinaryIO]:
    if urlsplit(url).scheme in ("http", "https"):
        return cast(AbstractContextManager[BinaryIO], urlopen(url, timeout=_TIMEOUT_SECONDS))
    return cast(AbstractContextManager[BinaryIO], fsspec.open(url, "rb"))
