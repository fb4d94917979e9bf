"""Jobs in several processes at a time, each begun when those that it needs are done."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, NamedTuple

import torch

from hero_core.errors import HeroError
from hero_core.progress import Progress
from trainer.interrupts import interrupts
from trainer.loop import StoppedError

_LISTEN_SECONDS = 0.5
_PARENT_DIED = 1


@dataclass(frozen=True)
class Job:
    """One thing to do.

    Attributes:
        name: its own.
        work: does it, given what to report to; it and its result are sent from process to process.
        needs: names of the jobs that come before.
    """

    name: str
    work: Callable[[Progress], Any]
    needs: frozenset[str] = frozenset()


class _Ended(NamedTuple):
    """A job's last message: what it returned, or what went wrong."""

    outcome: Any


def do_jobs(
    jobs: Sequence[Job],
    reports: Mapping[str, Progress],
    processes: int,
    ended: Callable[[str], None] = lambda name: None,
) -> dict[str, Any]:
    """What every job returns, by name; of those that can begin, the first of the list does.

    A job that fails, and a signal to stop, stop the others too: training saves what it has. Several processes share
    this one's threads; a single one is this one, as is that of a single job. ``ended`` is told of each that is done.

    Raises:
        StoppedError: SIGINT or SIGTERM came.
        HeroError: what went wrong in one of them.
    """
    if processes == 1 or len(jobs) == 1:
        return _one_after_another(jobs, reports, ended)
    return _Crew(jobs, reports, processes, ended).do()


def _one_after_another(
    jobs: Sequence[Job], reports: Mapping[str, Progress], ended: Callable[[str], None]
) -> dict[str, Any]:
    outcomes: dict[str, Any] = {}
    left = list(jobs)
    while left:
        job = next(job for job in left if job.needs <= outcomes.keys())
        left.remove(job)
        outcomes[job.name] = job.work(reports[job.name])
        ended(job.name)
    return {job.name: outcomes[job.name] for job in jobs}


class _Crew:
    """Processes that do one job after another."""

    def __init__(
        self,
        jobs: Sequence[Job],
        reports: Mapping[str, Progress],
        processes: int,
        ended: Callable[[str], None],
    ) -> None:
        self._ended = ended
        self._left, self._order, self._reports = list(jobs), [job.name for job in jobs], reports
        self._most = min(processes, len(jobs))
        self._threads = max(1, torch.get_num_threads() // self._most)
        self._processes: dict[Connection, SpawnProcess] = {}
        self._idle: list[Connection] = []
        self._busy: dict[Connection, str] = {}
        self._outcomes: dict[str, Any] = {}
        self._stopping = False

    def do(self) -> dict[str, Any]:
        """See :func:`do_jobs`."""
        with interrupts() as interrupted:
            try:
                while self._begin() or self._busy:
                    for reader in wait(list(self._busy), _LISTEN_SECONDS):
                        assert isinstance(reader, Connection)
                        self._take(reader)
                    if (interrupted() or self._errors()) and not self._stopping:
                        self._stop()
                stopped = interrupted()
            finally:
                self._dismiss()
        failures = [error for error in self._errors() if not isinstance(error, StoppedError)]
        if failures:
            raise failures[0]
        if self._errors() or stopped:
            raise StoppedError("; ".join(map(str, self._errors())) or "stopped")
        return {name: self._outcomes[name] for name in self._order}

    def _begin(self) -> bool:
        """Give work to those who have none; whether there was any to give."""
        ready = [job for job in self._left if job.needs <= self._outcomes.keys()]
        chosen = [] if self._stopping else ready[: self._most - len(self._busy)]
        for job in chosen:
            worker = self._idle.pop() if self._idle else self._hire()
            self._left.remove(job)
            self._busy[worker] = job.name
            worker.send(job)
        return bool(chosen)

    def _hire(self) -> Connection:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(self._threads, theirs), daemon=True)
        process.start()
        theirs.close()
        self._processes[ours] = process
        return ours

    def _take(self, worker: Connection) -> None:
        """One message."""
        name = self._busy[worker]
        try:
            message = worker.recv()
        except (EOFError, ConnectionResetError):
            self._processes.pop(worker).join()
            message = _Ended(_ended_silently(name, self._stopping))
        if not isinstance(message, _Ended):
            self._reports[name](*message)
            return
        self._outcomes[name] = message.outcome
        if not isinstance(message.outcome, HeroError):
            self._ended(name)
        del self._busy[worker]
        if worker in self._processes:
            self._idle.append(worker)

    def _stop(self) -> None:
        self._stopping = True
        for worker in self._busy:
            self._processes[worker].terminate()  # which training takes as the signal to save and stop

    def _dismiss(self) -> None:
        for worker, process in self._processes.items():
            if worker in self._busy:  # only after a second signal, or an error of our own
                process.terminate()
            worker.close()
            process.join()

    def _errors(self) -> list[HeroError]:
        found = [self._outcomes[name] for name in self._order if name in self._outcomes]
        return [outcome for outcome in found if isinstance(outcome, HeroError)]


def _ended_silently(name: str, stopping: bool) -> HeroError:
    if stopping:
        return StoppedError(f"{name}: stopped before its first step")
    return HeroError(f"{name}: its process died; run the same command with --resume")


def _work(threads: int, connection: Connection) -> None:
    """In a process of its own: one job after another, until there are no more."""
    if hasattr(os, "setsid"):  # not on every system
        os.setsid()  # Ctrl-C is for the parent to pass on; a second signal would not wait for the saving
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)

    def report(done: int, total: int, note: str = "") -> None:
        connection.send((done, total, note))

    while True:
        try:
            job: Job = connection.recv()
        except EOFError:
            return
        try:
            outcome = job.work(report)
        except HeroError as error:
            outcome = error
        connection.send(_Ended(outcome))


def _end_with_parent() -> None:
    """A job that goes on after its parent was killed would write where the next run of the command writes."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(_PARENT_DIED)
