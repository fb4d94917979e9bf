"""A seal tells every change of any byte."""

from pathlib import Path

import pytest

from hero_core.errors import InputError, ManifestError
from hero_core.manifest import QUARANTINE, read_columns, read_table, write_table
from hero_core.seal import (
    UNSEALED,
    require_unbroken,
    seal_of,
    seal_of_file,
    sealed,
    write_sealed_json,
)
from hero_core.storage import read_json
from tests.damage import damages

ROWS = [{"path": f"{name}.mp4", "stage": "decode", "reason": "why", "pairs": 1} for name in "abcdef"]


def test_every_byte_and_every_bit_of_it_counts() -> None:
    whole = sealed(f"before {UNSEALED} after".encode())
    assert seal_of(whole) == "whole"
    for place in range(len(whole)):
        for bit in range(8):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            assert seal_of(bytes(changed)) != "whole", place
    assert seal_of(whole + b"\n") == seal_of(whole[:-1]) == "broken"
    assert seal_of(b"nothing of the kind") == "absent"


def test_only_one_place_can_be_sealed() -> None:
    behind = f"{UNSEALED} hero-seal:".encode()
    for data in (b"", f"{UNSEALED} {UNSEALED}".encode(), sealed(UNSEALED.encode()), behind):
        with pytest.raises(InputError, match="cannot be sealed"):
            sealed(data)


def test_a_file_may_be_named_like_a_seal(tmp_path: Path) -> None:
    path, rows = tmp_path / "a.parquet", [{**ROWS[0], "path": "hero-seal:a.mp4"}]
    write_table(path, QUARANTINE, rows)
    assert seal_of_file(path) == "whole"
    assert read_table(path, QUARANTINE) == rows


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_sealed_json(path, {"name": "ä", "seal": "an old one"})
    assert seal_of_file(path) == "whole"
    assert read_json(path)["name"] == "ä"
    first = path.read_bytes()
    write_sealed_json(path, read_json(path))
    assert path.read_bytes() == first
    for _ in damages(path, 60):
        assert seal_of_file(path) != "whole"
    path.write_bytes(b"")
    assert seal_of_file(path) == "absent"
    with pytest.raises(InputError, match="cannot be read"):
        seal_of_file(tmp_path / "absent.json")
    with pytest.raises(ManifestError, match=r"a\.json: damaged or edited.*; do this"):
        require_unbroken(path, "broken", "do this")


def test_tables(tmp_path: Path) -> None:
    """A damaged table gives the rows that were written, or an error that names it."""
    path = tmp_path / "a.parquet"
    write_table(path, QUARANTINE, ROWS)
    refused = 0
    for _ in damages(path, 200):
        assert seal_of_file(path) != "whole"
        for read in (read_table, lambda *of: read_columns(*of).to_pylist()):
            try:
                assert read(path, QUARANTINE) == ROWS
            except ManifestError as error:
                assert str(path) in str(error)  # noqa: PT017
                refused += 1
    assert refused > 400
    with pytest.raises(ManifestError, match="cannot be sealed"):
        write_table(path, QUARANTINE, [{**ROWS[0], "path": UNSEALED}])
