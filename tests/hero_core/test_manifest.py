"""Manifests say their version, and another version is refused."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hero_core.errors import ManifestError
from hero_core.manifest import PAIRS, QUARANTINE, read_table, write_table

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
