"""The ``hero-eval`` command."""

import typer

from hero_core.cli import VersionOption, run
from trainer.eval.commands.compare import by_category_command, compare_command
from trainer.eval.commands.gallery import gallery_command
from trainer.eval.commands.metrics import metrics_command
from trainer.eval.commands.tables import table1_command, table2_command, unseen_command

app = typer.Typer(
    help="Weights and held-out data in, numbers with intervals out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Entry point."""
    run(app)


@app.callback()
def _hero_eval(version: VersionOption = False) -> None:
    pass


app.command("metrics")(metrics_command)
app.command("table1")(table1_command)
app.command("table2")(table2_command)
app.command("unseen")(unseen_command)
app.command("compare")(compare_command)
app.command("by-category")(by_category_command)
app.command("gallery")(gallery_command)
