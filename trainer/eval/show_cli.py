"""Tables on the terminal."""

from rich.markup import escape
from rich.table import Table as RichTable

from hero_core.cli import console
from trainer.eval.formats import MARK, header, lines
from trainer.eval.study_table import StudyTable
from trainer.eval.tables import Table


def show_table(table: Table) -> None:
    """Print a table and what explains it."""
    shown = RichTable(*table.columns, title=table.title, title_justify="left")
    for row in table.rows:
        shown.add_row(*map(escape, row))
    console.print(shown)
    for note in table.notes:
        console.print(note, style="dim", highlight=False, markup=False)


def show_study(table: StudyTable) -> None:
    """Print the table of a study, and what is to be known of it."""
    rows = [
        [
            line.label,
            *(f"{cell}{MARK if place in line.marked else ''}" for place, cell in enumerate(line.cells)),
        ]
        for line in lines(table)
    ]
    for statement in table.statements:
        say(statement)
    show_table(Table(table.title, ["", *header(table)], rows, table.notes))


def say(line: str) -> None:
    """Print a line as it is."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)
