"""Tables on the terminal."""

from rich.markup import escape
from rich.table import Table as RichTable

from hero_core.cli import console
from trainer.eval.tables import Table


def show_table(table: Table) -> None:
    """Print a table and what explains it."""
    shown = RichTable(*table.columns, title=table.title, title_justify="left")
    for row in table.rows:
        shown.add_row(*map(escape, row))
    console.print(shown)
    for note in table.notes:
        console.print(note, style="dim", highlight=False, markup=False)
