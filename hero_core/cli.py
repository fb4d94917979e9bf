"""What the commands share: the console, how an error ends a program, progress, ``--version``."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hero_core.errors import HeroError
from hero_core.live_cli import live_table, rate_and_left
from hero_core.progress import Pace
from hero_core.progress import Progress as Report

try:
    import resource
except ImportError:  # not on every system
    resource = None  # type: ignore[assignment]

EXIT_ERROR = 2
EXIT_QUARANTINED = 3
EXIT_STOPPED = 130
PLAIN_LINE_SECONDS = 5.0
_UNLIMITED = 10_000  # characters, to measure how wide a table would like to be

console = Console()
error_console = Console(stderr=True)


def run(app: typer.Typer) -> None:
    """Run a command; a :class:`HeroError` is one line on stderr and exit status 2, never a traceback."""
    _allow_many_files()
    # What a command starts, such as workers, imports this project, and no package of its name in the current folder.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    try:
        app()
    except HeroError as error:
        error_console.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(EXIT_ERROR)


def _allow_many_files() -> None:
    """Every shard that is mapped keeps a file open, and the usual limit is soon reached; take all there is."""
    if resource is not None:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(ValueError, OSError):  # where "unlimited" is more than the system takes
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _show_version(asked: bool) -> None:
    if asked:
        from hero_core.versions import library_versions

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


def say(line: str, style: str | None = None) -> None:
    """Print a line as it is."""
    console.print(line, style=style, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def progress(title: str) -> Iterator[Report]:
    """A bar with rate, time left and a note on a terminal; plain lines now and then elsewhere."""
    with progress_of_each([title]) as reports:
        yield reports[title]


@contextmanager
def progress_of_each(titles: Sequence[str]) -> Iterator[dict[str, Report]]:
    """The same for several things at a time, by title."""
    if console.is_terminal:
        with live_table(titles, console) as reports:
            yield reports
    else:
        yield {title: _PlainLines(title) for title in titles}


def print_table(rows: Sequence[Mapping[str, str]]) -> None:
    """Print rows of words by the names of their columns, the first of which names the row.

    Columns without a word are left out; a terminal that is too narrow gets a column per row; what is not a terminal
    gets a line per row.
    """
    names = [name for name in rows[0] if any(row[name] for row in rows)]
    lines = [names, *([row[name] for name in names] for row in rows)]
    if console.is_terminal:
        table = _table(lines)
        unlimited = console.options.update(width=_UNLIMITED)
        if console.measure(table, options=unlimited).maximum > console.width:
            table = _table(list(zip(*lines, strict=True)))
        console.print(table)
        return
    for first, *others in lines[1:]:
        words = ", ".join(f"{name} {word}" for name, word in zip(names[1:], others, strict=True) if word)
        console.print(f"{first}: {words}", highlight=False, markup=False, soft_wrap=True)


def _table(lines: Sequence[Sequence[str]]) -> Table:
    """A table with its header in the first line, and the names of its rows in the first column."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(lines[0]):
        table.add_column(name, style="bold" if index == 0 else None)
    for line in lines[1:]:
        table.add_row(*map(escape, line))
    return table


class _PlainLines:
    """One line every few seconds, and one at the end, for logs and pipes."""

    def __init__(self, title: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._title = title
        self._clock = clock
        self._pace = Pace(clock)
        self._last = clock() - PLAIN_LINE_SECONDS

    def __call__(self, done: int, total: int, note: str = "") -> None:
        now = self._clock()
        self._pace.report(done)
        if done < total and now - self._last < PLAIN_LINE_SECONDS:
            return
        self._last = now
        rate, left = rate_and_left(self._pace, done, total)
        speed = [f"{rate}/s"] if rate else []
        time_left = [left if done >= total else f"{left} left"] if left else []
        line = ", ".join([f"{self._title}: {done}/{total}", *speed, *time_left, *([note] if note else [])])
        console.print(line, highlight=False, markup=False, soft_wrap=True)
