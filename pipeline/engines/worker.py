"""A process that works on one item at a time, and may be killed over one.

Kept free of torch: every worker imports this file, and should start at once.
"""

import math
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from pathlib import Path
from threading import Lock, Thread
from types import ModuleType
from typing import Any, Generic, TypeVar

from hero_core.errors import HeroError
from pipeline.engines.replies import read_reply

try:
    import resource
except ImportError:  # not on every system
    resource = None  # type: ignore[assignment]

MEBIBYTE = 1024**2

_ENDING_SECONDS = 10.0
_REASON_CHARACTERS = 300

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class ItemLimits:
    """What one item may cost the process that works on it.

    Attributes:
        seconds: wall time at most; computing time may not be longer either.
        mebibytes: memory beyond what the process takes when it starts. Held on Linux only.
        seconds_of: what of these seconds an item is given, where that is not all; importable by name.
        files_of: what has to be read for an item, likewise. The process gets a sandbox then, where the system has
            one (:mod:`pipeline.engines.sandbox`).
    """

    seconds: float
    mebibytes: int
    seconds_of: Callable[[Any], float] | None = None
    files_of: Callable[[Any], Sequence[Path]] | None = None

    def seconds_for(self, item: object) -> float:
        """Wall time of an item."""
        return self.seconds if self.seconds_of is None else min(self.seconds, self.seconds_of(item))


@dataclass(frozen=True)
class Broken:
    """In place of the result of an item that broke the process that worked on it."""

    reason: str


@dataclass(frozen=True)
class Raised:
    """In place of the result of an item whose function raised; the process is sound.

    Attributes:
        text: one line. trace: where, for programmers.
        meant_for_user: it was a :class:`HeroError`.
    """

    text: str
    trace: str
    meant_for_user: bool


@dataclass(frozen=True)
class Done(Generic[ResultT]):
    """The result of an item."""

    value: ResultT


class StartError(HeroError):
    """A worker process did not start."""


class Worker(Generic[ItemT, ResultT]):
    """A worker process, as the process that started it sees it."""

    def __init__(
        self,
        context: BaseContext,
        function: Callable[[ItemT], ResultT],
        limits: ItemLimits | None,
        lock: Lock,
    ) -> None:
        """Start it.

        Args:
            context: how processes are started.
            function: what it calls with each item; importable by name, and not from ``__main__``.
            limits: of each item; None for items that are trusted.
            lock: one for all workers, because :mod:`multiprocessing` looks after its processes in one thread only.

        Raises:
            StartError: it did not start.
        """
        self._limits, self._lock = limits, lock
        self._connection, theirs = context.Pipe()
        try:
            with lock, _without_main():
                # daemon: should nobody end it, the interpreter does when it ends
                self._process = context.Process(  # type: ignore[attr-defined]
                    target=_serve, args=(theirs, function, limits), daemon=True
                )
                self._process.start()
        except (OSError, EOFError) as error:  # the latter where the process that forks them has died
            self._connection.close()
            raise StartError(f"a worker process cannot be started: {error}") from None
        finally:
            theirs.close()  # so that only the worker holds its end, and its death is seen

    def wait_until_ready(self) -> None:
        """Wait until it takes items.

        Raises:
            StartError: it died before.
        """
        try:
            self._connection.recv()
        except (EOFError, OSError):
            raise StartError(f"a worker process died at its start ({self._ending(None)})") from None

    def is_alive(self) -> bool:
        """Whether it is still there."""
        with self._lock:
            return bool(self._process.is_alive())

    def do(self, item: ItemT) -> "Done[ResultT] | Raised | Broken":
        """Have it work on an item. After a :class:`Broken` the process has ended."""
        seconds = self._limits.seconds_for(item) if self._limits else None
        try:
            self._connection.send(item)
            if not self._connection.poll(seconds):
                self.kill()
                return Broken(_too_long(seconds))
            reply: Done[ResultT] | Raised | Broken = self._received()
        except (EOFError, OSError, pickle.UnpicklingError):
            return Broken(self._ending(seconds))
        if isinstance(reply, Broken):
            self.kill()
        return reply

    def _received(self) -> Any:
        return self._connection.recv() if self._limits is None else read_reply(self._connection.recv_bytes())

    def kill(self) -> None:
        """End it at once, whatever it does."""
        with self._lock:
            self._process.kill()
        wait([self._process.sentinel], _ENDING_SECONDS)
        with self._lock:
            self._process.join(0)

    def _ending(self, seconds: float | None) -> str:
        """How it ended, which may be over the time that it had."""
        if not wait([self._process.sentinel], _ENDING_SECONDS):
            self.kill()
            return "no longer answered"
        with self._lock:
            self._process.join(0)
            code = self._process.exitcode
        if code is not None and code < 0:
            return (
                _too_long(seconds)
                if -code == getattr(signal, "SIGXCPU", None)
                else f"killed by signal {-code}"
            )
        return f"ended with exit code {code}"


def _too_long(seconds: float | None) -> str:
    assert seconds is not None
    return f"over {seconds:.3g} s"


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide the main module from a process that starts, which would import it: here all of the command, with torch."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _serve(
    connection: "Connection[Any, Any]", function: Callable[[ItemT], ResultT], limits: ItemLimits | None
) -> None:
    """What the process does: one item after another, until nobody is there any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started it
    from pipeline.engines import sandbox  # which looks for a library of the system, and only here

    files_of = limits.files_of if limits is not None and sandbox.why_not() is None else None
    if files_of is not None:
        sandbox.enter()
    Thread(target=_end_with_parent, daemon=True).start()
    if limits is not None:
        _limit_memory(limits.mebibytes)
    try:
        connection.send(None)
        while True:
            item = connection.recv()
            if limits is not None:
                _limit_computing(limits.seconds_for(item))
            call = partial(function, item)
            if files_of is not None:
                call = partial(sandbox.with_files_alone, files_of(item), call)
            connection.send(_reply(call, limits))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _reply(call: Callable[[], ResultT], limits: ItemLimits | None) -> Done[ResultT] | Raised | Broken:
    try:
        return Done(call())
    except MemoryError:
        return Broken(f"over {limits.mebibytes} MiB" if limits else "out of memory")
    except HeroError as error:
        return Raised(str(error), traceback.format_exc(), meant_for_user=True)
    except Exception as error:  # noqa: BLE001  handed over, not swallowed
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = " ".join(f"{type(error).__name__}: {error}".split())[:_REASON_CHARACTERS]
        where = f"{Path(place.filename).name}:{place.lineno}"
        return Raised(f"{text} ({where})", traceback.format_exc(), meant_for_user=False)


def _end_with_parent() -> None:
    """End when the process that started this one has, in whatever way and whatever is being done here."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _limit_memory(mebibytes: int) -> None:
    """Let allocations fail beyond so much more memory, and let no crash write its memory to disk."""
    if resource is None:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    statistics = Path("/proc/self/statm")
    if statistics.exists():
        pages = int(statistics.read_text(encoding="ascii").split()[0])
        _lower(resource.RLIMIT_AS, pages * resource.getpagesize() + mebibytes * MEBIBYTE)


def _limit_computing(seconds: float) -> None:
    """Have the system end this process if it computes for much longer from now on.

    Who started it is faster, unless it is stopped or gone.
    """
    if resource is None:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + seconds) + 1)


def _lower(limit: int, value: int) -> None:
    hard = resource.getrlimit(limit)[1]
    soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (soft, hard))
