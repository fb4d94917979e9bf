"""``hero-pipeline report``."""

from pathlib import Path
from typing import Annotated

import typer

from hero_core.cli import console, progress, say
from pipeline.choices import PAGE_BYTES


def report_command(
    data: Annotated[Path, typer.Argument(help="A training set, or a cache.")],
    out: Annotated[Path, typer.Option(help="The page.")] = Path("report.html"),
    videos: Annotated[
        Path | None, typer.Option(help="Folder that the data's videos lie in, to show them too.")
    ] = None,
    count: Annotated[
        int, typer.Option(min=1, help=f"Motions at most; what fits into {PAGE_BYTES / 1e6:.0f} MB.")
    ] = 200,
    seed: Annotated[
        int, typer.Option(min=0, help="Of those that are drawn to stand beside the outliers.")
    ] = 0,
) -> None:
    """A page about the data, before training: counts, lengths, outliers first. E.g. hero-pipeline report demo/data"""
    from hero_core.view.html import write_page
    from pipeline.data_page.page import contents_of, data_document

    with progress("report") as report:
        contents = contents_of(data, report)
    document = data_document(contents, count, seed, videos)
    write_page(out, document)
    console.print(
        f"{len(document.samples)} of {len(contents.entries)} {contents.noun} shown, outliers first",
        highlight=False,
    )
    say(f"open in a browser: {out}")
