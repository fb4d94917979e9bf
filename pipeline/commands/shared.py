"""What several commands of ``hero-pipeline`` share."""

from pathlib import Path
from typing import Annotated

import typer

from hero_core.errors import ConfigError

REASONS_SHOWN = 10

SourceArgument = Annotated[
    str,
    typer.Argument(
        help="A ViMo release folder (train.txt, test.txt), a CSV or parquet pair list or a folder with pairs.csv, a "
        "folder broad/subcategory/*.mp4, a HumanML3D folder, or a folder of motions; also "
        "s3:// or gs://."
    ),
]
DatasetOption = Annotated[
    Path | None,
    typer.Option("--dataset", help="Description of the data set (TOML); default SOURCE/dataset.toml."),
]
ColumnOption = Annotated[
    list[str] | None, typer.Option("--column", help="Column of the pair list, e.g. motion=motion_joints.")
]
RootOption = Annotated[
    list[Path] | None,
    typer.Option("--root", help="Another folder where listed files may lie; repeatable."),
]
WorkOption = Annotated[
    Path,
    typer.Option("--work", help="Where copies of what lives in an object store are kept; may be deleted."),
]
WORK = Path.home() / ".cache" / "hero"
READ, WRITTEN, SOURCES = "read", "written", "sources"
"""Folders in it, apart, so that who reads a cache takes nothing away from who is writing it."""


def columns_of(options: list[str] | None) -> dict[str, str]:
    """Columns by field, of what ``--column`` says.

    Raises:
        ConfigError: it is not written as it should be.
    """
    columns = {}
    for option in options or []:
        name, separator, column = option.partition("=")
        if not separator or not name or not column:
            raise ConfigError(f"--column {option!r}: write it as FIELD=COLUMN, e.g. video=clip")
        columns[name] = column
    return columns
