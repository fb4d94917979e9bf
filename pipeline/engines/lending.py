"""Files of an object store, each here while a process reads it. Those that come next are fetched meanwhile."""

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Condition

from pipeline.sources.stored import StoredFolder
from pipeline.workers import Input

MOST_BYTES = 16 * 1024**3
"""Of the files that are here at a time; a single one may be larger."""
FILES_AHEAD = 32
"""At most, fetched or being fetched, of what nobody has asked for yet."""
THREADS = 8

Lend = Callable[[Input], AbstractContextManager[object]]
"""Has the file of an input here as long as the context lasts."""


@contextmanager
def lending(
    stored: StoredFolder | None, items: Sequence[Input], most_bytes: int = MOST_BYTES
) -> Iterator[Lend]:
    """What lends the files of a store, or nothing to do where the files lie here.

    Args:
        stored: the store, and where its files are to be.
        items: in the order in which they will be asked for, each once, though by several threads.
        most_bytes: as above.
    """
    if stored is None:
        yield nullcontext
        return
    with ThreadPoolExecutor(THREADS) as threads:
        yield _Lender(stored, items, most_bytes, threads).lend


class _Lender:
    def __init__(
        self, stored: StoredFolder, items: Sequence[Input], most_bytes: int, threads: ThreadPoolExecutor
    ) -> None:
        self._stored, self._items, self._most_bytes, self._threads = stored, items, most_bytes, threads
        self._place = {item.key: index for index, item in enumerate(items)}
        self._fetched: dict[str, tuple[Future[None], int]] = {}  # with its bytes, by key
        self._next = self._asked_for = self._bytes = 0
        self._changed = Condition()

    @contextmanager
    def lend(self, item: Input) -> Generator[None, None, None]:
        """Have the file of an item here.

        Raises:
            InputError: the store does not answer.
        """
        with self._changed:
            self._asked_for = max(self._asked_for, self._place[item.key] + 1)
            self._fetch_ahead()
            self._changed.wait_for(lambda: item.key in self._fetched)
        future, size = self._fetched[item.key]
        try:
            future.result()
            yield
        finally:
            self._stored.drop(item.path)
            with self._changed:
                self._bytes -= size
                self._fetch_ahead()

    def _fetch_ahead(self) -> None:
        """Begin to fetch what there is room for. In order, so that the first one who waits always gets its file."""
        while self._next < min(self._asked_for + FILES_AHEAD, len(self._items)):
            path = self._items[self._next].path
            size = path.stat().st_size if self._stored.holds(path) else 0
            if self._bytes and self._bytes + size > self._most_bytes:
                break
            self._bytes += size
            self._fetched[self._items[self._next].key] = self._threads.submit(self._fetch, path), size
            self._next += 1
        self._changed.notify_all()

    def _fetch(self, path: Path) -> None:
        if self._stored.holds(path):
            self._stored.fetch(path)
