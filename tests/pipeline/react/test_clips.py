"""Tests of pipeline.react.clips."""

from pathlib import Path

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
