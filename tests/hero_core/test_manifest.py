"""Manifests say their version, and another version is refused."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hero_core.errors import ManifestError
from hero_core.manifest import PAIRS, QUARANTINE, read_columns, read_table, write_table

ROWS = [{"path": f"{name}.mp4", "stage": "decode", "reason": "why", "pairs": 1} for name in "ab"]


def test_round_trip_and_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_table(tmp_path / f"{name}.parquet", QUARANTINE, ROWS)
    assert read_table(tmp_path / "a.parquet", QUARANTINE) == ROWS
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"path": "a", "stage": "s", "reason": "r"}, "pairs"),
        ({**ROWS[0], "colour": "red"}, "colour"),
        ({**ROWS[0], "pairs": "many"}, "many"),
    ],
)
def test_wrong_rows_are_refused_and_leave_nothing(tmp_path: Path, row: dict[str, object], named: str) -> None:
    with pytest.raises(ManifestError, match=named):
        write_table(tmp_path / "a.parquet", QUARANTINE, [row])
    assert list(tmp_path.iterdir()) == []


def test_other_versions_and_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_table(path, QUARANTINE, ROWS)
    with pytest.raises(ManifestError, match=r"'quarantine/1'.*'pairs/2'"):
        read_table(path, PAIRS)
    pq.write_table(pa.table({"x": [1]}), path)
    with pytest.raises(ManifestError, match="no schema name"):
        read_table(path, PAIRS)
    path.write_text("not parquet")
    with pytest.raises(ManifestError, match="cannot be read"):
        read_table(path, PAIRS)
    with pytest.raises(ManifestError, match="no such manifest"):
        read_table(tmp_path / "absent.parquet", PAIRS)


@pytest.mark.parametrize("read", [read_table, read_columns])
def test_a_text_that_is_not_utf8_is_refused(tmp_path: Path, read: Callable[..., object]) -> None:
    """Only where no seal notices it before."""
    table = pa.Table.from_pylist(ROWS, schema=QUARANTINE)
    paths = pa.array([b"\xb1.mp4", b"b.mp4"], pa.binary()).view(pa.string())
    pq.write_table(table.set_column(0, QUARANTINE.field("path"), paths), tmp_path / "a.parquet")
    with pytest.raises(ManifestError, match=r"a\.parquet: cannot be read.*(utf-8|UTF8)"):
        read(tmp_path / "a.parquet", QUARANTINE)
