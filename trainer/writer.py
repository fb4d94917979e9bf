"""Files written while training goes on."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from hero_core.storage import write_bytes


class Writer:
    """Writes files one after another in a thread, in the order in which it was asked; all are there when it closes."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "writer")
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()
        if error is None:
            self.wait()

    def write(self, *files: tuple[Path, bytes]) -> None:
        """Write these files, each atomically; what went wrong with those before is raised here.

        Raises:
            OSError: the disk is full, say.
        """
        self.wait()
        self._last = self._thread.submit(_write, files)

    def wait(self) -> None:
        """Until all files are there; what went wrong with them is raised here."""
        if self._last is not None:
            self._last.result()


def _write(files: tuple[tuple[Path, bytes], ...]) -> None:
    for path, data in files:
        write_bytes(path, data)
