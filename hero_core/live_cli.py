"""Progress on a terminal: a table that is redrawn in place, with a row for each thing that goes on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from hero_core.progress import Pace, Progress, duration, items

_REDRAWS_PER_SECOND = 4
_BAR, _LONGEST_BAR, _GAP = 10, 40, 2  # characters
_ALWAYS = ("done", "per s", "left")


@contextmanager
def live_table(titles: Sequence[str], console: Console) -> Iterator[dict[str, Progress]]:
    """A listener for each title; what a note says of a thing is a column with its name."""
    rows = {title: Row(title) for title in titles}
    with Live(ProgressTable(list(rows.values())), console=console, refresh_per_second=_REDRAWS_PER_SECOND):
        yield {title: row.report for title, row in rows.items()}


@dataclass
class Row:
    """One thing that goes on, as last reported."""

    title: str
    pace: Pace = field(default_factory=Pace)
    done: int = 0
    total: int | None = None
    cells: dict[str, str] = field(default_factory=dict)

    def report(self, done: int, total: int, note: str = "") -> None:
        """Take a report."""
        self.pace.report(done)
        rate, left = rate_and_left(self.pace, done, total)
        said = items(note)
        self.done, self.total = done, total
        self.cells = {"done": f"{done}/{total}", "per s": rate, "left": left, **said}


class ProgressTable:
    """The rows as one table where the terminal is wide enough, else their bars, and below what their notes say.

    Columns only ever grow, and no cell wraps, so that nothing jumps.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._widths = {name: len(name) for name in _ALWAYS}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw them for the width that there is."""
        for row in self._rows:
            for name, words in row.cells.items():
                self._widths[name] = max(self._widths.get(name, 0), len(name), len(words))
        names = list(self._widths)
        if self._width(names) + _GAP + _BAR > options.max_width:
            names, below = names[: len(_ALWAYS)], names[len(_ALWAYS) :]
        else:
            below = []
        bar = options.max_width - self._width(names) - _GAP
        yield self._table(names, max(1, min(bar, _LONGEST_BAR)))
        if below:
            yield self._table(below)

    def _width(self, names: Sequence[str]) -> int:
        titles = max(len(row.title) for row in self._rows)
        return titles + sum(_GAP + self._widths[name] for name in names)

    def _table(self, names: Sequence[str], bar: int | None = None) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
        table.add_column(style="bold", no_wrap=True)
        if bar is not None:
            table.add_column(width=bar)
        for name in names:
            justify: Literal["left", "right"] = "left" if name in ("", "best") else "right"
            table.add_column(name, justify=justify, min_width=self._widths[name], no_wrap=True)
        for row in self._rows:
            shown = [] if bar is None else [_bar(row, bar)]
            table.add_row(row.title, *shown, *(escape(row.cells.get(name, "")) for name in names))
        return table


def rate_and_left(pace: Pace, done: int, total: int) -> tuple[str, str]:
    """How fast it goes and how long it will take, or took, in words; empty while that is not known."""
    rate = pace.per_second()
    words = "" if rate is None else f"{rate:.0f}" if rate >= 100 else f"{rate:.3g}"
    if done >= total:
        return words, f"took {duration(pace.seconds())}"
    return words, duration((total - done) / rate) if rate else ""


def _bar(row: Row, width: int) -> ProgressBar:
    return ProgressBar(row.total, row.done, width=width, pulse=row.total is None)
