"""Parts of a run that do not need each other, trained at the same time, each in a process of its own."""

from collections.abc import Mapping, Sequence
from functools import partial

from hero_core.progress import Progress
from trainer.jobs import Job, do_jobs
from trainer.request import Request
from trainer.runs import encode_motions, needed_parts, needs_codes, train_part
from trainer.state import Best


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
    for name, request in requests.items():
        if len(requests) > 1 and needs_codes(name, request):  # once, rather than in each of the processes
            encode_motions(name, request, reports[name])
    jobs = [Job(name, partial(train_part, name, request)) for name, request in requests.items()]
    return do_jobs(jobs, reports, processes=len(jobs))
