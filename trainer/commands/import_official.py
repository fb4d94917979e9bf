"""``hero-train import-official``."""

from pathlib import Path
from typing import Annotated

import typer

from hero_core.choices import PUBLISHED, PublishedWhich
from hero_core.cli import say
from hero_core.errors import ConfigError
from trainer.choices import DEFAULT_GENERATOR


def import_command(
    source: Annotated[Path, typer.Argument(help="The folder of a release, one model's in it, or one file.")],
    out: Annotated[Path, typer.Argument(help="Run folder to write.")],
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--name",
            help="PublishedWhich of several models to take, e.g. --name residual=rtrans_name; repeatable.",
        ),
    ] = None,
    which: Annotated[
        PublishedWhich, typer.Option(help="PublishedWhich of a model's files to take.")
    ] = "best",
    generator: Annotated[
        str, typer.Option("--generator", help=f"Whose weights they are: {', '.join(PUBLISHED)}.")
    ] = DEFAULT_GENERATOR,
    meta: Annotated[
        Path | None,
        typer.Option(
            help="Of t2mgpt, mdm and mld: folder with the mean and the deviation that they normalise motions by, where "
            "these do not lie beside the weights."
        ),
    ] = None,
) -> None:
    """Convert published weights of HERO or of another generator to a run folder."""
    from hero_core.official.import_run import import_official

    chosen = dict(map(_name, names or []))
    for line in import_official(source, out, chosen, which, generator, meta).lines():
        say(line)


def _name(text: str) -> tuple[str, str]:
    kind, separator, name = text.partition("=")
    if not separator:
        raise ConfigError(f"--name {text!r}: write it as kind=name, e.g. --name residual=rtrans_name")
    return kind, name
