"""Open any layout of videos and motions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hero_core.errors import InputError
from pipeline.sources.description import describe
from pipeline.sources.folder import folder_of_files
from pipeline.sources.lists import HUMANML3D_VECTORS, has_lists, humanml3d_folder, official_lists
from pipeline.sources.paths import Roots
from pipeline.sources.records import Source
from pipeline.sources.rows import collect
from pipeline.sources.table import PAIR_TABLES, TABLE_SUFFIXES, pair_table


def open_source(
    path: Path,
    dataset_toml: Path | None = None,
    columns: Mapping[str, str] | None = None,
    roots: Sequence[Path] = (),
) -> Source:
    """Read the lists of a data set; open no video and no motion.

    ``path`` is the first of these that fits; a table that is named itself is read whatever lies beside it:

    - a HumanML3D folder: ``new_joint_vecs/*.npy``, with ``train.txt``, ``val.txt``, ``test.txt`` of their names;
    - the official ViMo layout: ``train.txt`` / ``test.txt`` of ``video motion`` lines;
    - a pair table, a ``.csv`` or ``.parquet`` file or a folder with ``pairs.csv`` / ``pairs.parquet``;
    - a folder tree ``broad/subcategory/*.mp4`` (any video suffix), or a flat folder of videos;
    - a folder without videos, for the motions below it: ``.npy``, ``.npz`` and ``.bvh``.

    Listed files that do not exist stay listed: whoever opens them reports them.

    Args:
        path: folder or table.
        dataset_toml: description; by default ``dataset.toml`` in the folder.
        columns: for a table, which of its columns to take for a field, e.g. ``{"motion": "motion_joints"}``.
        roots: more folders that paths may start from, e.g. on another disk, in the order they are looked into after
            the source's own. A folder without lists is read together with them.

    Raises:
        InputError: missing or empty source, unreadable list, missing column, or a path that leaves the roots.
        ConfigError: the description is missing or has unknown keys.
    """
    columns = columns or {}
    table = _table(path)
    inside = Roots(table.parent if table else path, roots)
    description = describe(inside.own, dataset_toml)
    if table:
        listing = pair_table(table, inside, description, columns)
    elif columns:
        raise InputError(f"{path}: --column chooses in a pair table, and this folder is not read by one")
    elif (path / HUMANML3D_VECTORS).is_dir():
        listing = humanml3d_folder(inside, description)
    elif has_lists(path):
        listing = official_lists(inside, description)
    else:
        listing = folder_of_files(inside, description)
    if not listing.rows:
        raise InputError(f"{path}: no videos and no motions")
    return collect(path, listing, inside, description, columns)


def _table(path: Path) -> Path | None:
    """The pair table to read, or ``None`` for a folder that is read in another way."""
    if path.is_file():
        if path.suffix.lower() not in TABLE_SUFFIXES:
            raise InputError(f"{path}: not a source; name a folder, a .csv or a .parquet file")
        return path
    if not path.is_dir():
        raise InputError(f"{path}: no such folder or table")
    if (path / HUMANML3D_VECTORS).is_dir() or has_lists(path):
        return None
    return next((path / name for name in PAIR_TABLES if (path / name).is_file()), None)
