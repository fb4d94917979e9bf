"""``hero-eval compare`` and ``hero-eval by-category``, which look at results that are there already."""

from pathlib import Path
from typing import Annotated

import typer

from hero_core.cli import say


def compare_command(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Runs, or result files, of the same data.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for compare.md, .tex, .csv and .json; otherwise only shown.")
    ] = None,
) -> None:
    """Several measured runs on the same clips. E.g. hero-eval compare runs/full runs/no-die"""
    from trainer.eval.comparison.formats import write_table
    from trainer.eval.comparison.results import compared
    from trainer.eval.comparison.show_cli import show_comparison
    from trainer.eval.show_cli import show_table

    table, differences = compared(runs)
    show_comparison(table)
    for each in differences:
        show_table(each)
    if out is not None:
        for path in write_table(table, out, "compare"):
            say(f"written: {path}")


def by_category_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A measured run, or a result file.")],
) -> None:
    """Broad categories and every subcategory of a measured run. E.g. hero-eval by-category demo/run"""
    from trainer.eval.comparison.results import by_category, read_result
    from trainer.eval.show_cli import show_table

    for table in by_category(read_result(run)):
        show_table(table)
