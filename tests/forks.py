"""Runs functions each in a process of its own that may die, without loading the libraries anew for each."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Protocol

KILLED = -signal.SIGKILL if hasattr(signal, "SIGKILL") else None


class ExitCode(Protocol):
    """Calls a function of a module in a process of its own; returns its exit status, negative for a signal."""

    def __call__(self, function: Callable[..., None], *arguments: Any) -> int: ...


@contextmanager
def forks() -> Iterator[ExitCode]:
    """All are forked from one process, which computes nothing itself.

    Python's own fork server is one for the whole test session, and loads what the first to start it asked for.
    """
    spawn = get_context("spawn")
    ours, theirs = spawn.Pipe()
    with ours, theirs:
        server = spawn.Process(target=_serve, args=(theirs,))
        server.start()

        def exit_code(function: Callable[..., None], *arguments: Any) -> int:
            ours.send((function, arguments))
            return int(ours.recv())

        yield exit_code
        ours.send(None)
        server.join()


def _serve(connection: Connection) -> None:
    context = get_context("fork")
    while asked := connection.recv():
        function, arguments = asked
        process = context.Process(target=function, args=arguments)
        process.start()
        process.join()
        connection.send(process.exitcode)
