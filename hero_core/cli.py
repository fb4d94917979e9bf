"""What the commands share: the console, how an error ends a program, progress, ``--version``."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hero_core.errors import HeroError
from hero_core.models.checkpoint import library_versions
from hero_core.progress import Progress as Report

EXIT_ERROR = 2
EXIT_QUARANTINED = 3
PLAIN_LINE_SECONDS = 5.0

console = Console()
error_console = Console(stderr=True)


def run(app: typer.Typer) -> None:
    """Run a command; a :class:`HeroError` is one line on stderr and exit status 2, never a traceback."""
    try:
        app()
    except HeroError as error:
        error_console.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(EXIT_ERROR)


def _show_version(asked: bool) -> None:
    if asked:
        versions = library_versions()
        console.print(f"hero-motion {versions['hero-motion']} (torch {versions['torch']})", highlight=False)
        raise typer.Exit


VersionOption = Annotated[
    bool,
    typer.Option(
        "--version", callback=_show_version, is_eager=True, help="Say which version this is, and stop."
    ),
]
"""For the callback of every command."""


@contextmanager
def progress(title: str) -> Iterator[Report]:
    """A rich bar with rate, time left and a note on a terminal; plain lines now and then elsewhere."""
    with progress_of_each([title]) as reports:
        yield reports[title]


@contextmanager
def progress_of_each(titles: Sequence[str]) -> Iterator[dict[str, Report]]:
    """The same for several things at a time, by title."""
    if console.is_terminal:
        with _bars(titles) as reports:
            yield reports
    else:
        yield {title: _PlainLines(title) for title in titles}


@contextmanager
def _bars(titles: Sequence[str]) -> Iterator[dict[str, Report]]:
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as bars:
        yield {title: _bar(bars, title) for title in titles}


def _bar(bars: Progress, title: str) -> Report:
    task = bars.add_task(title, total=None, rate="", note="")
    rate = _Rate()

    def report(done: int, total: int, note: str = "") -> None:
        bars.update(task, completed=done, total=total, rate=f"{rate.of(done):.1f}/s", note=note)

    return report


class _Rate:
    """Things per second since the first report, so that what an earlier run did does not count."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def of(self, done: int) -> float:
        """The rate now that ``done`` are done; 0 at the first report."""
        now = time.monotonic()
        self._first = self._first or (done, now)
        before, began = self._first
        return (done - before) / max(now - began, 1e-9)


class _PlainLines:
    """One line every few seconds, and one at the end, for logs and pipes."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._rate = _Rate()
        self._last = time.monotonic() - PLAIN_LINE_SECONDS

    def __call__(self, done: int, total: int, note: str = "") -> None:
        now, rate = time.monotonic(), self._rate.of(done)
        if done < total and now - self._last < PLAIN_LINE_SECONDS:
            return
        self._last = now
        speed = f", {rate:.1f}/s, {(total - done) / rate:.0f} s left" if rate > 0 else ""
        line = f"{self._title}: {done}/{total}{speed} {note}".rstrip()
        console.print(line, highlight=False, markup=False, soft_wrap=True)
