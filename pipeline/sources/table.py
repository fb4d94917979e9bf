"""A pair table: CSV or parquet, a video and its motion on each row."""

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hero_core.errors import InputError
from pipeline.sources.paths import safe_relative
from pipeline.sources.records import UNKNOWN, Truth
from pipeline.sources.rows import Row

PAIR_TABLES = ("pairs.csv", "pairs.parquet")
TABLE_SUFFIXES = (".csv", ".parquet")

# field -> column names it is looked for under, the first that exists
_COLUMNS = {
    "video": ("video",),
    "motion": ("motion", "motion_vec263", "motion_joints"),
    "category": ("category", "broad"),
    "subcategory": ("subcategory",),
    "split": ("split",),
    "parent_video": ("parent_video", "source_video"),
    "motion_fps": ("motion_fps",),
    "truth_reaction": ("truth_reaction",),
    "truth_side": ("truth_side",),
    "truth_onset_seconds": ("truth_onset_seconds",),
}
_REQUIRED = ("video", "motion")
_SPLITS = ("train", "val", "test")


def table_rows(path: Path, columns: Mapping[str, str]) -> Iterator[Row]:
    """A row for every row of a ``.csv`` or ``.parquet`` file.

    Args:
        path: the table.
        columns: field -> name of its column, over the usual names.

    Raises:
        InputError: unreadable table, missing column, or an impossible value, with its row.
    """
    records = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    chosen: dict[str, str] | None = None
    for number, record in records:
        chosen = chosen if chosen is not None else _choose_columns(path, list(record), columns)
        values = {name: record[column].strip() for name, column in chosen.items()}
        yield _row(f"{path}:{number}", values)


def _row(where: str, values: Mapping[str, str]) -> Row:
    split = values.get("split") or None
    if split is not None and split not in _SPLITS:
        raise InputError(f"{where}: split {split!r} is none of {', '.join(_SPLITS)}")
    motion = values["motion"]
    return Row(
        where=where,
        video=safe_relative(values["video"], where),
        motion=safe_relative(motion, where) if motion else None,
        broad=values.get("category") or UNKNOWN,
        subcategory=values.get("subcategory") or UNKNOWN,
        parent=values.get("parent_video", ""),
        split=split,
        motion_fps=_number(where, "motion_fps", values["motion_fps"]) if values.get("motion_fps") else None,
        truth=_truth(where, values),
    )


def _truth(where: str, values: Mapping[str, str]) -> Truth | None:
    if not values.get("truth_reaction"):
        return None
    onset = _number(where, "truth_onset_seconds", values.get("truth_onset_seconds", ""))
    return Truth(values["truth_reaction"], values.get("truth_side") or "none", onset)


def _number(where: str, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0 or (name == "motion_fps" and value == 0):
        raise InputError(f"{where}: {name} is {text!r}, not a possible number")
    return value


def _choose_columns(path: Path, present: list[str], columns: Mapping[str, str]) -> dict[str, str]:
    if unknown := columns.keys() - _COLUMNS.keys():
        raise InputError(f"{path}: no such fields {sorted(unknown)}; fields are {', '.join(_COLUMNS)}")
    chosen = {}
    for name, usual in _COLUMNS.items():
        candidates = (columns[name],) if name in columns else usual
        found = [column for column in candidates if column in present]
        if found:
            chosen[name] = found[0]
        elif name in columns or name in _REQUIRED:
            raise InputError(
                f"{path}: no column {' or '.join(candidates)} for {name}; columns are {', '.join(present)}"
            )
    return chosen


def _read_csv(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells by column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if len(set(header)) != len(header):
                raise InputError(f"{path}: two columns have the same name: {', '.join(header)}")
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise InputError(
                        f"{path}:{reader.line_num}: {len(cells)} cells under {len(header)} columns"
                    )
                yield reader.line_num, dict(zip(header, cells, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV: {error}") from None


def _read_parquet(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Row number, from 1, and cells by column."""
    try:
        rows = pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read as parquet: {error}") from None
    for number, row in enumerate(rows, start=1):
        yield number, {name: _text(value) for name, value in row.items()}


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value)
