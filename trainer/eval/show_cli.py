"""Tables on the terminal."""

from rich.markup import escape
from rich.table import Table as RichTable

from hero_core.cli import console, say
from trainer.eval.formats import MARK, header, lines, markdown, panels_of
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
    """Print the table of a study, and what is to be known of it; as Markdown where that is no terminal."""
    if not console.is_terminal:
        say(markdown(table))
        return
    for statement in table.statements:
        say(statement)
    for panel in panels_of(table):
        rows = [
            [line.label, *(f"{cell}{MARK * (place in line.marked)}" for place, cell in enumerate(line.cells))]
            for line in lines(table, panel)
        ]
        show_table(Table(panel.title or table.title, ["", *header(panel)], rows))
    for note in table.notes:
        console.print(f"note: {note}", style="dim", highlight=False, markup=False)
