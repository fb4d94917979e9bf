"""Files appear whole or not at all."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hero_core import storage
from hero_core.errors import InputError, OutputError
from hero_core.storage import (
    TEMPORARY_SUFFIX,
    atomic_folder,
    atomic_path,
    read_json,
    remove_partial_files,
    sha256_of_json,
    write_csv,
    write_json,
    write_npy,
    writing,
)


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


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for value in ("old", "new"):
        with atomic_folder(folder) as fresh:
            (fresh / "a.txt").write_text(value)
    with pytest.raises(RuntimeError), atomic_folder(folder) as fresh:
        (fresh / "a.txt").write_text("half")
        raise RuntimeError
    assert (folder / "a.txt").read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["set"]


def test_a_folder_survives_a_kill_between_the_two_renames(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    with atomic_folder(folder) as fresh:
        (fresh / "a.txt").write_text("old")
    folder.rename(tmp_path / ".set.old")
    with pytest.raises(RuntimeError), atomic_folder(folder):
        raise RuntimeError
    assert (folder / "a.txt").read_text() == "old"


def test_files_are_on_disk_before_they_appear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []

    def note(path: Path) -> None:
        flushed.append(
            path.name if path != tmp_path else f"folder with {sorted(p.name for p in path.iterdir())}"
        )

    monkeypatch.setattr(storage, "_fsync", note)
    write_json(tmp_path / "a.json", {"x": 1})
    assert [name.endswith(".partial") for name in flushed] == [True, False]
    assert flushed[1] == "folder with ['a.json']"


def test_tables_and_arrays(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", ["name", "n"], [{"name": 'a "b", c', "n": 1, "other": 2}, {"n": 2}])
    assert (tmp_path / "a.csv").read_text() == 'name,n\n"a ""b"", c",1\n,2\n'
    write_npy(tmp_path / "a.npy", np.arange(3))
    assert np.load(tmp_path / "a.npy", allow_pickle=False).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="allow_pickle"):
        write_npy(tmp_path / "b.npy", np.array([{}], dtype=object))
    assert not (tmp_path / "b.npy").exists()


def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        left, written = (
            tmp_path / f".a.json.{number}{TEMPORARY_SUFFIX}" for number in (os.getpid(), other.pid)
        )
        for path in (left, written):
            path.write_bytes(b"half")
        remove_partial_files(tmp_path, spare_living=True)
        assert not left.exists()
        assert written.exists()
    finally:
        other.communicate(b"\n")
    remove_partial_files(tmp_path)
    assert not written.exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "x"), "No space left on device; make room on its disk"),
        (OSError(errno.EDQUOT, "x"), "make room in your quota"),
        (OSError(errno.EROFS, "x", "{path}"), "Read-only file system; make it writable"),
        (OSError("300000 requested and 12484 written"), "12484 written; see to its disk"),
        (RuntimeError("file write failed: errno = 28, error message"), "make room on its disk"),
        (ValueError("I/O error: No space left on device (os error 28)"), "make room on its disk"),
    ],
)
def test_what_the_system_says_becomes_one_line(tmp_path: Path, error: Exception, said: str) -> None:
    path = tmp_path / "a.tar"
    if isinstance(error, OSError) and error.filename:
        error.filename = str(path)
    with pytest.raises(OutputError) as raised, writing(path):
        raise error
    message = str(raised.value)
    assert message.startswith(f"{path}: cannot be written: ")
    assert said in message
    assert message.endswith(", and run the same command again")


@pytest.mark.parametrize(
    "error", [RuntimeError("out of memory"), FileNotFoundError(errno.ENOENT, "x", "/elsewhere/weights.pt")]
)
def test_errors_of_other_things_stay_what_they_are(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)), atomic_path(tmp_path / "a.tar"):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    for name in ("a/b.json", "a/b/c.json"):
        with pytest.raises(OutputError, match="cannot be written: (Not a directory|File exists)"):
            write_json(tmp_path / name, {})
    with pytest.raises(OutputError, match="cannot be written"), atomic_folder(tmp_path / "a" / "set"):
        pass
