"""Files written while training goes on."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from hero_core.models.checkpoint import Snapshot
from hero_core.storage import write_bytes

MOST_WAITING = 2
"""So many writes may be under way; each holds a copy of what it writes."""


class Writer:
    """Writes files one after another in a thread, in the order in which it was asked; all are there when it closes."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "writer")
        self._writes: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()
        if error is None:
            self.wait()

    def write(self, *files: tuple[Path, Snapshot]) -> None:
        """Write these files, each atomically; what went wrong with earlier ones is raised here.

        Raises:
            OutputError: the disk is full, say.
        """
        while self._writes and (len(self._writes) >= MOST_WAITING or self._writes[0].done()):
            self._writes.popleft().result()
        self._writes.append(self._thread.submit(_write, files))

    def wait(self) -> None:
        """Until all files are there; what went wrong with them is raised here."""
        while self._writes:
            self._writes.popleft().result()


def _write(files: Sequence[tuple[Path, Snapshot]]) -> None:
    for path, snapshot in files:
        write_bytes(path, snapshot.to_bytes())
