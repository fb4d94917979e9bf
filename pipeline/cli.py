"""The ``hero-pipeline`` command."""

import typer

from hero_core.cli import VersionOption, run
from pipeline.commands.build_pairs import build_pairs_command
from pipeline.commands.demo_data import demo_data_command
from pipeline.commands.export import export_command
from pipeline.commands.extract import extract_command
from pipeline.commands.merge import merge_command
from pipeline.commands.previews import previews_command
from pipeline.commands.repair import repair_command
from pipeline.commands.report import report_command
from pipeline.commands.verify import verify_command

app = typer.Typer(
    help="Videos and motions in, shards out.", no_args_is_help=True, pretty_exceptions_enable=False
)


@app.callback()
def _hero_pipeline(version: VersionOption = False) -> None:
    """Say the version; the commands do the rest."""


def main() -> None:
    """Entry point."""
    run(app)


app.command("demo-data", epilog="E.g. hero-pipeline demo-data demo/minivimo --clips 240")(demo_data_command)
app.command(
    "extract",
    epilog="E.g. hero-pipeline extract demo/minivimo demo/cache, or hero-pipeline extract videos cache --encoder "
    "tc-clip --weights tc_clip.pth --dry-run",
)(extract_command)
app.command(
    "build-pairs",
    epilog="E.g. hero-pipeline build-pairs demo/minivimo --features demo/cache --out demo/data --test-share 0.25",
)(build_pairs_command)
app.command("verify", epilog="E.g. hero-pipeline verify demo/cache")(verify_command)
app.command("report")(report_command)
app.command("previews", epilog="E.g. hero-pipeline previews demo/minivimo demo/previews")(previews_command)
app.command("merge", epilog="E.g. hero-pipeline merge cache cache-1 cache-2")(merge_command)
app.command("repair", epilog="E.g. hero-pipeline repair demo/cache --dry-run")(repair_command)
app.command("export", epilog="E.g. hero-pipeline export reaction.npz reaction.glb reaction.bvh --unit cm")(
    export_command
)
