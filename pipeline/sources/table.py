"""A pair table: CSV or parquet, a video, a motion or both on each row."""

import csv
import io
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from pydantic import Field, ValidationError

from hero_core.config import Config
from hero_core.errors import InputError
from hero_core.records import Side, Split, Truth
from pipeline.motions import MOTION_SUFFIXES
from pipeline.sources.description import DatasetDescription
from pipeline.sources.paths import VIDEO_SUFFIXES, Roots, suffix_of
from pipeline.sources.records import UNKNOWN
from pipeline.sources.rows import Listing, Row, motion_at, video_at

PAIR_TABLES = ("pairs.csv", "pairs.parquet")
TABLE_SUFFIXES = (".csv", ".parquet")


class _Cells(Config):
    """The fields of a row, with what an empty cell means."""

    video: str = ""
    motion: str = ""
    category: str = UNKNOWN
    subcategory: str = UNKNOWN
    split: Split | None = None
    parent_video: str = ""
    motion_fps: float | None = Field(default=None, gt=0)
    truth_reaction: str = ""
    truth_side: Side = "none"
    truth_onset_seconds: float | None = Field(default=None, ge=0)


FIELDS = tuple(_Cells.model_fields)
_REQUIRED = {"video": VIDEO_SUFFIXES, "motion": frozenset(MOTION_SUFFIXES)}

# Other columns that a field is looked for in, after the one of its own name.
ALSO_CALLED = {
    "motion": ("motion_vec263", "motion_joints"),
    "category": ("broad",),
    "parent_video": ("source_video",),
}


def pair_table(
    path: Path, roots: Roots, description: DatasetDescription, columns: Mapping[str, str]
) -> Listing:
    """A row for every row of a ``.csv`` or ``.parquet`` file that is not blank.

    Args:
        path: the table.
        roots: the table's folder, and others.
        description: has the rate of motions whose row states none.
        columns: field -> name of its column, over the usual names.

    Raises:
        InputError: unreadable table, missing column, or an impossible value, with its row.
    """
    is_csv = path.suffix.lower() == ".csv"
    table = _read_csv(path) if is_csv else _read_parquet(path)
    if len(set(table.column_names)) != len(table.column_names):
        raise InputError(f"{path}: two columns have the same name: {', '.join(table.column_names)}")
    chosen = _choose_columns(path, table, columns)
    rows = []
    records = table.select(list(chosen.values())).rename_columns(list(chosen)).to_pylist()
    for number, record in enumerate(records, start=2 if is_csv else 1):  # a CSV's first line is its header
        if cells := {field: text for field, value in record.items() if (text := _text(value))}:
            rows.append(_row(f"{path}:{number}", cells, roots, description))
    return Listing("pair table", rows)


def _row(where: str, values: Mapping[str, str], roots: Roots, description: DatasetDescription) -> Row:
    try:
        cells = _Cells.model_validate(values)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise InputError(f"{where}: {wrong['loc'][0]} is {wrong['input']!r}: {wrong['msg']}") from None
    if not (cells.video or cells.motion):
        raise InputError(f"{where}: neither a video nor a motion; fill one of the cells or remove the row")
    video = motion = None
    if cells.video:
        file, parent = roots.locate(cells.video, where), roots.relative(cells.parent_video)
        video = video_at(file, cells.category, cells.subcategory, parent)
    if cells.motion:
        motion = motion_at(roots.locate(cells.motion, where), description, cells.motion_fps)
    return Row(where, video, motion, cells.split, _truth(where, cells) if video else None)


def _truth(where: str, cells: _Cells) -> Truth | None:
    if not cells.truth_reaction:
        return None
    if cells.truth_onset_seconds is None:
        raise InputError(f"{where}: truth_onset_seconds is empty; a reaction that is no movement has 0")
    return Truth(cells.truth_reaction, cells.truth_side, cells.truth_onset_seconds)


def _choose_columns(path: Path, table: pa.Table, columns: Mapping[str, str]) -> dict[str, str]:
    """Field -> its column."""
    if unknown := [f"--column {field}={name}" for field, name in columns.items() if field not in FIELDS]:
        raise InputError(
            f"{unknown[0]}: no such field; write FIELD=COLUMN with a field of {', '.join(FIELDS)}"
        )
    present = table.column_names
    chosen, missing = {}, {}
    for field in FIELDS:
        names = (columns[field],) if field in columns else (field, *ALSO_CALLED.get(field, ()))
        if found := [name for name in names if name in present]:
            chosen[field] = found[0]
        elif field in columns or field in _REQUIRED:
            missing[field] = " or ".join(names)
    for field, wanted in missing.items():
        likely = _likely(table, [name for name in present if name not in chosen.values()] or present, field)
        raise InputError(
            f"{path}: no column {wanted} for {field}; columns are {', '.join(present)}. "
            f"Choose one, e.g. --column {field}={likely}"
        )
    return chosen


def _likely(table: pa.Table, names: Sequence[str], field: str) -> str:
    """Of the columns ``names``, one that holds such files, else the one with the nearest name."""
    suffixes = _REQUIRED.get(field, frozenset())
    first_rows = table.slice(0, 100).to_pylist()
    fitting = [name for name in names if any(suffix_of(_text(row[name])) in suffixes for row in first_rows)]
    return (fitting or get_close_matches(field, names, n=1, cutoff=0))[0]


def _read_csv(path: Path) -> pa.Table:
    """All cells as text."""
    try:
        data = path.read_bytes()
        header = next(csv.reader(io.StringIO(data.decode("utf-8-sig"))), [])
        if data.count(b'"') % 2:
            raise InputError(f"{path}: cannot be read as CSV: a quote is opened and not closed")
        return pyarrow.csv.read_csv(
            io.BytesIO(data),
            pyarrow.csv.ReadOptions(use_threads=False),  # so that an error names its row
            pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string())),
        )
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read as CSV: {error}") from None


def _read_parquet(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
        table.validate(full=True)  # else what is no text is met later
        return table.rename_columns(table.column_names)  # likewise in the names
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise InputError(f"{path}: cannot be read as parquet: {error}") from None


def _text(value: object) -> str:
    """A cell as text; empty where it is null or NaN."""
    return "" if value is None or value != value else str(value).strip()
