"""Where a source is: a folder or table here, or in an object store."""

import hashlib
import posixpath
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from hero_core.errors import ConfigError, InputError
from hero_core.lock import LOCK_FILE, only_writer
from hero_core.motion.statistics import STATISTICS_FILES
from hero_core.records import SPLITS
from hero_core.stores import Store, StoredFile, is_remote, shown
from pipeline.sources.description import DATASET_FILE
from pipeline.sources.open import open_source
from pipeline.sources.records import Source
from pipeline.sources.stored import StoredFolder
from pipeline.sources.table import PAIR_TABLES, TABLE_SUFFIXES

_LISTS = frozenset({DATASET_FILE, *PAIR_TABLES, *STATISTICS_FILES, *(f"{split}.txt" for split in SPLITS)})
"""What is read of a source when it is opened, and its statistics; fetched at once."""


@dataclass(frozen=True)
class SourcePlace:
    """What to open: ``path``, which for a source in a store is what looks like it here."""

    path: Path
    stored: StoredFolder | None = None

    @property
    def name(self) -> str:
        """As caches record it: an absolute path, or an address without keys."""
        return self.stored.address if self.stored else str(self.path.absolute())

    def open(
        self,
        dataset_toml: Path | None = None,
        columns: Mapping[str, str] | None = None,
        roots: Sequence[Path] = (),
    ) -> Source:
        """The source; as :func:`open_source`, with errors that speak of the store."""
        if self.stored is None:
            return open_source(self.path, dataset_toml, columns, roots)
        try:
            return replace(open_source(self.path, dataset_toml, columns, roots), stored=self.stored)
        except (InputError, ConfigError) as error:
            said = str(error).replace(str(self.path), self.name).replace(str(self.stored.folder), self.name)
            raise type(error)(said) from None


@contextmanager
def source_at(text: str, work: Path) -> Iterator[SourcePlace]:
    """A path; or ``s3://`` or ``gs://``, of which what is in use lies below ``work`` as long as the context lasts.

    Args:
        text: a folder, or a table.
        work: where what looks like folders of stores is kept.

    Raises:
        InputError: not a place in a store, the store does not answer, or a name in it can be none of a file.
        OutputError: ``work`` cannot be written, or another process reads the same source there.
    """
    if not is_remote(text):
        yield SourcePlace(Path(text))
        return
    url, mark, options = text.partition("?")
    url = url.rstrip("/")
    table = posixpath.basename(url) if posixpath.splitext(url)[1].lower() in TABLE_SUFFIXES else ""
    url = posixpath.dirname(url) if table else url
    beside = work.absolute() / hashlib.sha256(text.encode()).hexdigest()[:16]
    folder = beside / posixpath.basename(url)  # a data set without a name is called as its folder is
    stored = StoredFolder(shown(text), Store(url + mark + options), folder)
    with only_writer(folder, beside / LOCK_FILE):
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
        try:
            _look_like_it(stored, _LISTS | {table})
            yield SourcePlace(folder / table, stored)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _look_like_it(stored: StoredFolder, lists: frozenset[str]) -> None:
    files = stored.store.files("")
    _check_names(stored, files)
    stored.stand_in_for(files)
    for file in files:
        if file.name in lists:
            stored.fetch(stored.folder / file.name)


def _check_names(stored: StoredFolder, files: Sequence[StoredFile]) -> None:
    names = {file.name for file in files}
    for name in names:
        above = {str(parent) for parent in PurePosixPath(name).parents}
        if posixpath.normpath(name) != name or name.startswith(("/", "../")) or not names.isdisjoint(above):
            raise InputError(f"{stored.address}: no file of a folder can be called {name!r}; rename it there")
