"""Tables of several results on the terminal."""

from hero_core.cli import console, say
from trainer.eval.comparison.formats import MARK, header, lines, markdown, panels_of
from trainer.eval.comparison.table import ComparisonTable
from trainer.eval.show_cli import show_table
from trainer.eval.tables import Table


def show_comparison(table: ComparisonTable) -> None:
    """Print a table of several results, and what is to be known of it; as Markdown where that is no terminal."""
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
