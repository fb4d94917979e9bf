"""Which layout a folder is, what describes it, and what is no source."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hero_core.errors import ConfigError, InputError
from pipeline.sources import open_source

Touch = Callable[..., None]


def test_the_official_layout_wins_unless_the_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a.mp4 a.npy\n")
    (tmp_path / "pairs.csv").write_text("video,motion\nb.mp4,b.npy\n")
    assert open_source(tmp_path).videos[0].relative == "a.mp4"
    assert open_source(tmp_path / "pairs.csv").videos[0].relative == "b.mp4"


def test_the_lists_and_tables_of_real_data(realdata_dir: Path) -> None:
    if not (realdata_dir / "pairs.csv").is_file():
        pytest.skip("this set has no pairs.csv")
    lists, table = open_source(realdata_dir), open_source(realdata_dir / "pairs.csv")
    assert lists.kind == "official lists"
    assert {(p.video_key, p.motion_key, p.split) for p in lists.pairs} == {
        (p.video_key, p.motion_key, p.split) for p in table.pairs
    }
    assert all(video.path.is_file() for video in table.videos)
    assert all(motion.path.is_file() for motion in table.motions)


def test_a_description_in_the_folder_or_named(tmp_path: Path, touch: Touch) -> None:
    touch(tmp_path / "data/a.mp4")
    bare = open_source(tmp_path / "data")
    assert bare.name == "data"
    assert "not stated" in bare.statement
    (tmp_path / "data/dataset.toml").write_text(
        'name = "Mine"\nstatement = "Made here."\nunseen_subcategories = ["hug"]\nmotion_fps = 30\n'
    )
    described = open_source(tmp_path / "data")
    assert (described.name, described.statement) == ("Mine", "Made here.")
    assert described.description.unseen_subcategories == ("hug",)
    other = tmp_path / "other.toml"
    other.write_text('name = "Other"\nstatement = "s"\n')
    assert open_source(tmp_path / "data", other).name == "Other"


def test_unknown_keys_of_a_description_are_refused(tmp_path: Path, touch: Touch) -> None:
    touch(tmp_path / "a.mp4")
    (tmp_path / "dataset.toml").write_text('name = "n"\nstatement = "s"\nlicense = "MIT"\n')
    with pytest.raises(ConfigError, match="license"):
        open_source(tmp_path)


def test_what_is_no_source(tmp_path: Path, touch: Touch) -> None:
    touch(tmp_path / "empty/notes.md", tmp_path / "clip.mp4")
    with pytest.raises(InputError, match="no such folder or table"):
        open_source(tmp_path / "absent")
    with pytest.raises(InputError, match="no videos and no motions"):
        open_source(tmp_path / "empty")
    with pytest.raises(InputError, match="not a source"):
        open_source(tmp_path / "clip.mp4")
    with pytest.raises(InputError, match="--column chooses in a pair table"):
        open_source(tmp_path / "empty", columns={"motion": "m"})
