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


Failed = Callable[[str, HeroError], None]
"""Is told the name of a job that failed, and why."""


class _Ended(NamedTuple):
    """A job's last message: what it returned, or what went wrong."""

    outcome: Any


def do_jobs(
    jobs: Sequence[Job],
    reports: Mapping[str, Progress],
    processes: int,
    ended: Callable[[str], None] = lambda name: None,
    failed: Failed | None = None,
) -> dict[str, Any]:
    """What every job returns, by name; of those that can begin, the first of the list does.

    A signal to stop stops all of them: training saves what it has. So does a job that fails, unless ``failed`` is
    given: that is told at once, and all goes on that does not need the job. ``ended`` is told of each that is done.
    A single process is this one. Several share this one's threads, each with as many however few jobs there are: what
    networks learn depends on that, and is to be the same when a command that was killed does the rest.

    Raises:
        StoppedError: SIGINT or SIGTERM came.
        HeroError: what went wrong in one of them; with ``failed``, in all that failed, by their names.
    """
    if processes == 1:
        return _one_after_another(jobs, reports, ended, failed)
    return _Crew(jobs, reports, processes, ended, failed).do()


def _one_after_another(
    jobs: Sequence[Job],
    reports: Mapping[str, Progress],
    ended: Callable[[str], None],
    failed: Failed | None,
) -> dict[str, Any]:
    outcomes: dict[str, Any] = {}
    failures: dict[str, HeroError] = {}
    left = list(jobs)
    while job := next((job for job in left if job.needs <= outcomes.keys()), None):
        left.remove(job)
        try:
            outcomes[job.name] = job.work(reports[job.name])
        except HeroError as error:
            if failed is None or isinstance(error, StoppedError):
                raise
            failures[job.name] = error
            failed(job.name, error)
        else:
            ended(job.name)
    if failures:
        raise _all_of(failures)
    return {job.name: outcomes[job.name] for job in jobs}


def _all_of(failures: Mapping[str, HeroError]) -> HeroError:
    return HeroError("; ".join(f"{name}: {error}" for name, error in failures.items()))


class _Crew:
    """Processes that do one job after another."""

    def __init__(
        self,
        jobs: Sequence[Job],
        reports: Mapping[str, Progress],
        processes: int,
        ended: Callable[[str], None],
        failed: Failed | None,
    ) -> None:
        self._ended, self._failed = ended, failed
        self._left, self._order, self._reports = list(jobs), [job.name for job in jobs], reports
        self._most = processes
        self._threads = max(1, torch.get_num_threads() // processes)
        self._processes: dict[Connection, SpawnProcess] = {}
        self._idle: list[Connection] = []
        self._busy: dict[Connection, str] = {}
        self._outcomes: dict[str, Any] = {}
        self._errors: dict[str, HeroError] = {}
        self._stopping = False

    def do(self) -> dict[str, Any]:
        """See :func:`do_jobs`."""
        with interrupts() as interrupted:
            try:
                while self._begin() or self._busy:
                    for reader in wait(list(self._busy), _LISTEN_SECONDS):
                        assert isinstance(reader, Connection)
                        self._take(reader)
                    if (interrupted() or self._must_stop()) and not self._stopping:
                        self._stop()
                stopped = interrupted()
            finally:
                self._dismiss()
        errors = {name: self._errors[name] for name in self._order if name in self._errors}
        failures = {name: error for name, error in errors.items() if not isinstance(error, StoppedError)}
        if failures:
            raise next(iter(failures.values())) if self._failed is None else _all_of(failures)
        if errors or stopped:
            raise StoppedError("; ".join(map(str, errors.values())) or "stopped")
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
        del self._busy[worker]
        if worker in self._processes:
            self._idle.append(worker)
        self._note(name, message.outcome)

    def _note(self, name: str, outcome: Any) -> None:
        """How a job ended."""
        if not isinstance(outcome, HeroError):
            self._outcomes[name] = outcome
            self._ended(name)
            return
        self._errors[name] = outcome
        if self._failed is not None and not isinstance(outcome, StoppedError):
            self._failed(name, outcome)

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

    def _must_stop(self) -> bool:
        """Whether an error came that the others do not go on after."""
        return any(self._failed is None or isinstance(error, StoppedError) for error in self._errors.values())


def _ended_silently(name: str, stopping: bool) -> HeroError:
    if stopping:
        return StoppedError(f"{name}: stopped before its first step")
    return HeroError(
        f"{name}: its process died, perhaps for want of memory; what it saved is kept, and the same command goes on "
        "(hero-train with --resume)"
    )


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
