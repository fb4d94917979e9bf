"""What several commands of ``hero-train`` are told."""

from pathlib import Path
from typing import Annotated

import typer

from trainer.choices import DEFAULT_GENERATOR

GeneratorOption = Annotated[
    str | None,
    typer.Option(
        "--generator", help=f"What to train, {DEFAULT_GENERATOR} unless named; an existing run keeps its own."
    ),
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        help="Settings to start from: for hero, paper (the default), official for what the release's code does, or "
        "demo for small models."
    ),
]
RunArgument = Annotated[Path, typer.Argument(help="Run folder, which hero-train was given as --out.")]
