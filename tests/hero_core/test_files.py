"""Files appear whole or not at all."""

from pathlib import Path

import pytest

from hero_core.errors import InputError
from hero_core.files import atomic_path, read_json, remove_partial_files, sha256_of_json, write_json


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert read_json(path) == {"x": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_what_a_kill_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".a.tar.123.partial").write_text("half")
    (tmp_path / "b.tar").write_text("whole")
    remove_partial_files(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["b.tar"]


def test_equal_values_have_equal_hashes() -> None:
    assert sha256_of_json({"a": 1, "b": [1, 2]}) == sha256_of_json({"b": [1, 2], "a": 1})
    assert sha256_of_json({"a": 1}) != sha256_of_json({"a": 2})


@pytest.mark.parametrize("text", ["", "[1]", "{", "\x00"])
def test_bad_json_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(InputError, match=r"bad\.json"):
        read_json(tmp_path / "bad.json")
