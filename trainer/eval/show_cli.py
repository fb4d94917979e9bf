"""Tables on the terminal."""

from collections.abc import Iterator, Sequence

from rich.markup import escape
from rich.table import Table as RichTable

from hero_core.cli import console
from trainer.eval.tables import Table

_AROUND_A_CELL = 3
"""Characters: a space on both sides, and a line."""


def show_table(table: Table) -> None:
    """Print a table and what explains it.

    Where a line is too short for its longest words it becomes several, each of some of the columns.
    """
    title = table.title
    columns = [_Column(cells) for cells in zip(table.columns, *table.rows, strict=True)]
    for part in _parts(columns, console.width):
        console.print(_shown(title, part, console.width))
        title = f"{table.title}, continued"
    for note in table.notes:
        console.print(note, style="dim", highlight=False, markup=False)


class _Column:
    """The cells of a column, its heading first; how many characters it needs, and how many it would like to have."""

    def __init__(self, cells: Sequence[str]) -> None:
        self.cells = cells
        self.least = max((len(word) for cell in cells for word in cell.split()), default=0)
        self.most = max(map(len, cells))


def _parts(columns: Sequence[_Column], width: int) -> Iterator[list[_Column]]:
    """The first column with as many of the others as fit, then with those that are left, and so on."""
    first, *others = columns
    part = [first]
    for column in others:
        if _spare([*part, column], width) < 0 and len(part) > 1:
            yield part
            part = [first]
        part.append(column)
    yield part


def _spare(columns: Sequence[_Column], width: int) -> int:
    """Characters of a line that are left when every column has what it needs."""
    return width - 1 - sum(column.least + _AROUND_A_CELL for column in columns)


def _shown(title: str, columns: Sequence[_Column], width: int) -> RichTable:
    shown = RichTable(title=title, title_justify="left")
    widths = [column.least for column in columns]
    for _ in range(_spare(columns, width)):  # to whoever is shortest of what it would like to have
        wanted = [column.most - given for column, given in zip(columns, widths, strict=True)]
        if max(wanted) <= 0:
            break
        widths[wanted.index(max(wanted))] += 1
    for column, given in zip(columns, widths, strict=True):
        shown.add_column(column.cells[0], width=given, overflow="fold")
    for row in zip(*(column.cells[1:] for column in columns), strict=True):
        shown.add_row(*map(escape, row))
    return shown
