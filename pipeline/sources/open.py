"""Open any layout of videos and reactions."""

from collections.abc import Mapping
from pathlib import Path

from hero_core.errors import InputError
from pipeline.sources.description import DatasetDescription, describe
from pipeline.sources.folder import folder_rows
from pipeline.sources.official import OFFICIAL_LISTS, official_rows
from pipeline.sources.records import Source
from pipeline.sources.rows import source_from_rows
from pipeline.sources.table import PAIR_TABLES, TABLE_SUFFIXES, table_rows


def open_source(
    path: Path, dataset_toml: Path | None = None, columns: Mapping[str, str] | None = None
) -> Source:
    """Read the lists of a data set; open no video and no motion.

    ``path`` is one of

    - the official ViMo layout, a folder with ``train.txt`` / ``test.txt`` of ``video motion`` lines;
    - a pair table, a ``.csv`` or ``.parquet`` file or a folder with ``pairs.csv`` / ``pairs.parquet``;
    - a folder tree ``broad/subcategory/*.mp4`` (any video suffix), or a flat folder of videos.

    A folder with both lists and a table is read by its lists; name the table itself to read that. Listed files
    that do not exist stay listed: whoever opens them reports them.

    Args:
        path: folder or table.
        dataset_toml: description; ``dataset.toml`` in the folder where not given.
        columns: for a table, which of its columns to take for a field, e.g. ``{"motion": "motion_joints"}``.

    Raises:
        InputError: missing or empty source, unreadable list, missing column, or a path that leaves the folder.
        ConfigError: the description is missing or has unknown keys.
    """
    columns = columns or {}
    path = path.absolute()
    if path.is_file():
        if path.suffix.lower() not in TABLE_SUFFIXES:
            raise InputError(f"{path}: not a source; give a folder, a .csv or a .parquet file")
        return _open_table(path, describe(path.parent, dataset_toml), columns)
    if not path.is_dir():
        raise InputError(f"{path}: no such folder or table")
    description = describe(path, dataset_toml)
    lists = [path / name for name in OFFICIAL_LISTS if (path / name).is_file()]
    tables = [path / name for name in PAIR_TABLES if (path / name).is_file()]
    if not lists and tables:
        return _open_table(tables[0], description, columns)
    if columns:
        raise InputError(f"{path}: columns are chosen in a pair table, and this folder is not read by one")
    if lists:
        rows = official_rows(lists, description.broad)
        return source_from_rows(path, "official lists", description, rows, str(path))
    return source_from_rows(
        path, "video folder", description, folder_rows(path, description.broad), str(path)
    )


def _open_table(path: Path, description: DatasetDescription, columns: Mapping[str, str]) -> Source:
    rows = table_rows(path, columns)
    return source_from_rows(path.parent, "pair table", description, rows, str(path))
