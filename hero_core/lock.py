"""One writer at a time: a lock file, of which the operating system lets go when its owner ends, in whatever way."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hero_core.errors import OutputError
from hero_core.storage import writing

try:
    import fcntl
except ImportError:  # not on every system
    fcntl = None  # type: ignore[assignment]

LOCK_FILE = ".lock"
"""In a folder that grows; beside one that is replaced as a whole, with its name before."""


@contextmanager
def only_writer(folder: Path, lock: Path) -> Iterator[str | None]:
    """Be the only one who writes ``folder``, by holding the file ``lock``; it is removed at the end.

    Yields:
        None; where the file system knows no locks, a remark that says so.

    Raises:
        OutputError: another process writes there, or the lock file cannot be written.
    """
    with writing(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _acquire(folder, lock)
    if descriptor is None:
        yield f"{folder}: this file system knows no locks; see to it yourself that no other process writes there"
        return
    try:
        with writing(lock):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield None
    finally:
        with suppress(OSError):  # what is wrong with the disk has been said
            lock.unlink()  # while it is held, so that it is ours
        os.close(descriptor)


def _acquire(folder: Path, lock: Path) -> int | None:
    """A descriptor that holds the lock; None where there are no locks."""
    while fcntl is not None:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 200).decode(errors="replace") or "another process"
            os.close(descriptor)
            raise OutputError(
                f"{folder}: {owner} is writing here; wait until it has ended, or end it"
            ) from None
        except OSError:
            os.close(descriptor)
            lock.unlink(missing_ok=True)
            return None
        if _is_still(lock, descriptor):
            return descriptor
        os.close(descriptor)  # its last owner removed it in between
    return None


def _is_still(lock: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(lock.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
