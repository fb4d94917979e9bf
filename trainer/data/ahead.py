"""Batches read ahead by a thread, while the loop computes with those before."""

from collections.abc import Iterator
from queue import Queue
from threading import Event, Thread
from typing import TypeVar

BATCHES_AHEAD = 2

T = TypeVar("T")


def read_ahead(batches: Iterator[T]) -> Iterator[T]:
    """The same batches in the same order; what goes wrong in reading is raised where the batch would have come.

    The thread ends when the iterator is closed or collected.
    """
    queue: Queue[tuple[T | None, BaseException | None]] = Queue(BATCHES_AHEAD)
    closed = Event()

    def read() -> None:
        try:
            for batch in batches:
                queue.put((batch, None))
                if closed.is_set():
                    return
            queue.put((None, StopIteration()))
        except Exception as error:  # noqa: BLE001  handed over, not swallowed
            queue.put((None, error))

    thread = Thread(target=read, name="read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            batch, error = queue.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            assert batch is not None
            yield batch
    finally:
        closed.set()
        while thread.is_alive():  # let go of a put that waits for room
            while not queue.empty():
                queue.get_nowait()
            thread.join(0.01)
