"""Parts of a run that do not need each other, trained at the same time, each in a process of its own."""

import os
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

import torch

from hero_core.errors import HeroError
from hero_core.progress import Progress
from trainer.interrupts import interrupts
from trainer.loop import StoppedError
from trainer.runs import Request, encode_motions, needed_parts, needs_codes, train_part
from trainer.state import Best

_LISTEN_SECONDS = 0.5


def rounds(names: Sequence[str], requests: Mapping[str, Request]) -> list[list[str]]:
    """The parts in groups; all that a part needs is in earlier groups, or not among ``names``."""
    groups: list[list[str]] = []
    left = list(names)
    while left:
        ready = [name for name in left if not set(needed_parts(name, requests[name])) & set(left)]
        groups.append(ready)
        left = [name for name in left if name not in ready]
    return groups


def train_side_by_side(
    requests: Mapping[str, Request], reports: Mapping[str, Progress]
) -> dict[str, Best | None]:
    """:func:`trainer.runs.train_part` of every part, by name; several share the threads, one is trained right here.

    A part that fails, and a signal to stop, stop the others too, which save what they have.

    Raises:
        StoppedError: SIGINT or SIGTERM came.
        HeroError: what went wrong in one of them.
    """
    if len(requests) == 1:
        return {name: train_part(name, request, reports[name]) for name, request in requests.items()}
    for name, request in requests.items():
        if needs_codes(name, request):  # once, rather than in each of the processes
            encode_motions(name, request, reports[name])
    context = get_context("spawn")
    threads = max(1, torch.get_num_threads() // len(requests))
    parts: dict[Connection, tuple[str, SpawnProcess]] = {}
    for name, request in requests.items():
        reader, writer = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(name, request, threads, writer), daemon=True)
        process.start()
        writer.close()
        parts[reader] = name, process
    with interrupts() as interrupted:
        ended = _listen(parts, reports, interrupted)
    outcomes = {name: ended[name] for name in requests}
    errors = [outcome for outcome in outcomes.values() if isinstance(outcome, HeroError)]
    failures = [error for error in errors if not isinstance(error, StoppedError)]
    if failures:
        raise failures[0]
    if errors:
        raise StoppedError("; ".join(map(str, errors)))
    return {name: outcome for name, outcome in outcomes.items() if not isinstance(outcome, HeroError)}


def _listen(
    parts: Mapping[Connection, tuple[str, SpawnProcess]],
    reports: Mapping[str, Progress],
    interrupted: Callable[[], bool],
) -> dict[str, Best | HeroError | None]:
    """Pass progress on until every part has said how it ended; by name, its result or what went wrong."""
    outcomes: dict[str, Best | HeroError | None] = {}
    talking, stopping = dict(parts), False
    while talking:
        for reader in wait(list(talking), _LISTEN_SECONDS):
            assert isinstance(reader, Connection)
            name, process = talking[reader]
            try:
                message = reader.recv()
            except EOFError:
                message = _ended_silently(name, stopping)
            if isinstance(message, tuple):
                reports[name](*message)
                continue
            outcomes[name] = message
            del talking[reader]
            process.join()
        failed = any(isinstance(outcome, HeroError) for outcome in outcomes.values())
        if (failed or interrupted()) and not stopping:
            stopping = True
            for _, process in talking.values():
                process.terminate()  # which the loop takes as the signal to save and stop
    return outcomes


def _ended_silently(name: str, stopping: bool) -> HeroError:
    if stopping:
        return StoppedError(f"{name}: stopped before its first step")
    return HeroError(f"{name}: its process died; run the same command with --resume")


def _work(name: str, request: Request, threads: int, writer: Connection) -> None:
    if hasattr(os, "setsid"):  # not on every system
        os.setsid()  # Ctrl-C is for the parent to pass on; a second signal would not wait for the saving
    torch.set_num_threads(threads)

    def report(done: int, total: int, note: str = "") -> None:
        writer.send((done, total, note))

    try:
        outcome: Best | HeroError | None = train_part(name, request, report)
    except HeroError as error:
        outcome = error
    writer.send(outcome)
