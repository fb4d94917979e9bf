"""Tests of pipeline.react.clips."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from hero_core.errors import InputError
from pipeline.react.clips import videos_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.mp4", "a.MOV", "deep/c.avi", "notes.txt", "deep/[1].mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_folder_means_all_videos_below_it(folder: Path) -> None:
    names = [path.relative_to(folder).as_posix() for path in videos_of([folder])]
    assert names == ["a.MOV", "b.mp4", "deep/[1].mp4", "deep/c.avi"]


def test_each_video_once_in_the_order_of_naming(folder: Path) -> None:
    assert [path.name for path in videos_of([folder / "b.mp4", folder / "*.*"])] == ["b.mp4", "a.MOV"]


def test_a_name_that_looks_like_a_pattern_is_a_name(folder: Path) -> None:
    assert [path.name for path in videos_of([folder / "deep" / "[1].mp4"])] == ["[1].mp4"]


def test_a_missing_file_is_left_to_who_reads_it(folder: Path) -> None:
    assert videos_of([folder / "absent.mp4"]) == [folder / "absent.mp4"]


def test_nothing_found_is_an_error(folder: Path) -> None:
    (folder / "empty").mkdir()
    for nothing in (folder / "empty", folder / "*.mkv"):
        with pytest.raises(InputError, match="no video"):
            videos_of([nothing])


def test_one_file_by_two_paths_is_one_video(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "deep")
    assert videos_of(["c.avi", folder / "deep" / "c.avi", "../deep/c.avi"]) == [Path("c.avi")]


def test_films_of_earlier_reactions_are_no_videos(folder: Path) -> None:
    provenance = json.dumps({"video": {"sha256": "0"}})
    np.savez(folder / "b-0.npz", vectors=np.zeros((4, 263)), provenance=np.array(provenance))
    np.savez(folder / "b.npz", vectors=np.zeros((4, 263)))  # a motion of somebody's own
    (folder / "b-0.mp4").touch()
    for inputs in ([folder], [folder / "*.mp4"], [folder / "b-0.mp4", folder / "b.mp4"]):
        names = {path.name for path in videos_of(inputs)}
        assert "b.mp4" in names
        assert "b-0.mp4" not in names
    with pytest.raises(InputError, match="only films of earlier reactions"):
        videos_of([folder / "b-0.mp4"])


def test_folders_may_be_patterns_too(folder: Path) -> None:
    (folder / "[x]").mkdir()
    (folder / "[x]" / "d.mp4").touch()
    for pattern, name in (("d*p/c.*", "c.avi"), ("*/[c]*", "c.avi"), ("[x]/*", "d.mp4")):
        assert [path.name for path in videos_of([folder / pattern])] == [name]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("", "empty"),
        ("a" * 300 + ".mp4", "aaa.mp4: cannot be read: File name too long"),
        ("**.mp4", r"\*\*.mp4: "),
        (os.fsdecode(b"\xff.mp4"), "not UTF-8; rename it"),
    ],
)
def test_impossible_names_are_one_line(name: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        videos_of([name])
