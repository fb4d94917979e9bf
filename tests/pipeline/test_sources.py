import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_core.errors import ConfigError, InputError
from hero_core.records import check_key
from pipeline.sources import Source, Truth, key_for, open_source
from pipeline.sources.official import split_line

REPOSITORY = Path(__file__).resolve().parents[2]


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def relatives(source: Source) -> list[str]:
    return [video.relative for video in source.videos]


# keys


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=300))
def test_every_path_gets_a_safe_key(relative: str) -> None:
    key = key_for(relative)
    check_key(key)
    assert len(key) <= 150


@given(st.lists(st.text("ab_-./ ", min_size=1, max_size=5), min_size=2, max_size=30, unique=True))
def test_paths_do_not_share_keys(paths: list[str]) -> None:
    assert len({key_for(path) for path in paths}) == len(paths)


def test_plain_paths_keep_readable_keys() -> None:
    assert key_for("videos/fi_001.mp4") == "videos__fi_001-mp4"
    assert key_for("a.mp4") != key_for("a-mp4")
    assert key_for("a/b.mp4") != key_for("a__b.mp4")
    assert key_for("vidéo 人間.mp4").startswith("vid-o----mp4-")


# official lists


def test_official_lists_keep_their_split(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(
        "videos/a.mp4 vector_263/m.npy\n\n  videos/a.mp4\tvector_263/n.npy  \r\n"
    )
    (tmp_path / "test.txt").write_text("\ufeffvideos/b.mp4 vector_263/m.npy")
    source = open_source(tmp_path)
    assert source.kind == "official lists"
    assert relatives(source) == ["videos/a.mp4", "videos/b.mp4"]
    assert [(pair.video_key, pair.motion_relative, pair.split) for pair in source.pairs] == [
        ("videos__a-mp4", "vector_263/m.npy", "train"),
        ("videos__a-mp4", "vector_263/n.npy", "train"),
        ("videos__b-mp4", "vector_263/m.npy", "test"),
    ]
    assert source.videos[0].path == tmp_path / "videos/a.mp4"
    assert source.pairs[0].motion == tmp_path / "vector_263/m.npy"
    assert source.notes == ()


def test_missing_files_stay_listed(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("gone.mp4 gone.npy\n")
    assert not open_source(tmp_path).videos[0].path.exists()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a.mp4 m.npy", ("a.mp4", "m.npy")),
        ("my clip 1.mp4 motions/m 1.npy", ("my clip 1.mp4", "motions/m 1.npy")),
        ("A B.WEBM   m.bvh", ("A B.WEBM", "m.bvh")),
        ("no_suffix m", ("no_suffix", "m")),
    ],
)
def test_lines_are_divided_by_their_suffixes(line: str, expected: tuple[str, str]) -> None:
    assert split_line(line, "train.txt:1") == expected


@pytest.mark.parametrize("line", ["a.mp4", "a b c", "a.mp4 m.npy n.npy b.npy x", "a.mp4 b.mp4 m.npy n.npy"])
def test_other_lines_are_refused_by_number(tmp_path: Path, line: str) -> None:
    (tmp_path / "train.txt").write_text(f"ok.mp4 ok.npy\n{line}\n")
    with pytest.raises(InputError, match=r"train\.txt:2: expected 'video motion'"):
        open_source(tmp_path)


def test_the_official_layout_wins_unless_the_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a.mp4 a.npy\n")
    table = write_csv(tmp_path / "pairs.csv", [{"video": "b.mp4", "motion": "b.npy"}])
    assert relatives(open_source(tmp_path)) == ["a.mp4"]
    assert relatives(open_source(table)) == ["b.mp4"]


def test_categories_come_from_the_folders(tmp_path: Path) -> None:
    lines = [
        "videos/Human_Human/shaking hands/1.mp4 m.npy",
        "videos/human-human/2.mp4 m.npy",
        "videos/x/y/3.mp4 m.npy",
        "videos/hugging/4.mp4 m.npy",
        "videos/5.mp4 m.npy",
    ]
    (tmp_path / "train.txt").write_text("\n".join(lines))
    (tmp_path / "dataset.toml").write_text('name = "n"\nstatement = "s"\nbroad = ["human-human"]\n')
    categories = {Path(v.relative).stem: (v.broad, v.subcategory) for v in open_source(tmp_path).videos}
    assert categories == {
        "1": ("human-human", "shaking hands"),
        "2": ("human-human", "unknown"),
        "3": ("x", "y"),
        "4": ("unknown", "hugging"),
        "5": ("unknown", "unknown"),
    }


# pair tables


FULL_ROW = {
    "video": "v/a.mp4",
    "motion_joints": "j/a.npy",
    "motion_vec263": "v263/a.npy",
    "category": "human-human",
    "subcategory": "hug, long",
    "split": "test",
    "parent_video": "film.mp4",
    "motion_fps": "30",
    "truth_reaction": "hug",
    "truth_side": "left",
    "truth_onset_seconds": "1.25",
}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_full_row(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"pairs{suffix}"
    if suffix == ".csv":
        write_csv(path, [FULL_ROW])
    else:
        typed = FULL_ROW | {"motion_fps": 30.0, "truth_onset_seconds": 1.25}
        pq.write_table(pa.Table.from_pylist([typed]), path)
    source = open_source(tmp_path)
    (video,), (pair,) = source.videos, source.pairs
    assert source.kind == "pair table"
    assert (video.broad, video.subcategory, video.group) == ("human-human", "hug, long", "film.mp4")
    assert pair.motion_relative == "v263/a.npy"
    assert (pair.split, pair.motion_fps, pair.truth) == ("test", 30.0, Truth("hug", "left", 1.25))


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "list.csv", [FULL_ROW])
    assert open_source(path, columns={"motion": "motion_joints"}).pairs[0].motion_relative == "j/a.npy"
    with pytest.raises(InputError, match="no column motions for motion; columns are video, motion_joints"):
        open_source(path, columns={"motion": "motions"})
    with pytest.raises(InputError, match="no such fields"):
        open_source(path, columns={"clip": "video"})


def test_only_video_and_motion_are_needed(tmp_path: Path) -> None:
    rows = [{"video": "a.mp4", "motion": "m.npy"}, {"video": "b.mp4", "motion": ""}]
    source = open_source(write_csv(tmp_path / "pairs.csv", rows))
    assert [(v.broad, v.subcategory, v.group) for v in source.videos] == [
        ("unknown", "unknown", "a.mp4"),
        ("unknown", "unknown", "b.mp4"),
    ]
    (pair,) = source.pairs
    assert (pair.split, pair.motion_fps, pair.truth) == (None, None, None)


def test_empty_parquet_cells_are_unknown(tmp_path: Path) -> None:
    rows = [{"video": "a.mp4", "motion": "m.npy", "split": None, "motion_fps": None, "category": None}]
    schema = pa.schema(
        [(name, pa.string()) for name in ("video", "motion", "split", "category")]
        + [("motion_fps", pa.float64())]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "pairs.parquet")
    source = open_source(tmp_path)
    assert (source.videos[0].broad, source.pairs[0].split, source.pairs[0].motion_fps) == (
        "unknown",
        None,
        None,
    )


def test_videos_cut_from_one_parent_share_a_group(tmp_path: Path) -> None:
    def row(video: str, parent: str, split: str) -> dict[str, str]:
        return {"video": video, "motion": f"{video}.npy", "parent_video": parent, "split": split}

    rows = [
        row("videos/film.mp4", "", "train"),
        row("videos/cut.mp4", "film.mp4", "train"),
        row("videos/cut_of_cut.mp4", "videos/cut.mp4", "test"),
        row("videos/other.mp4", "", "test"),
        row("videos/stray_1.mp4", "not listed", "train"),
        row("videos/stray_2.mp4", "not listed", "train"),
    ]
    source = open_source(write_csv(tmp_path / "pairs.csv", rows))
    groups = {Path(video.relative).stem: video.group for video in source.videos}
    assert groups == {
        "film": "videos/film.mp4",
        "cut": "videos/film.mp4",
        "cut_of_cut": "videos/film.mp4",
        "other": "videos/other.mp4",
        "stray_1": "not listed",
        "stray_2": "not listed",
    }
    assert source.notes == ("1 source videos stand in more than one split, e.g. videos/film.mp4",)


def test_a_pair_listed_twice_is_kept_once_and_said(tmp_path: Path) -> None:
    rows = [{"video": "a.mp4", "motion": "m.npy", "split": "train"}] * 2
    source = open_source(write_csv(tmp_path / "pairs.csv", rows))
    assert len(source.pairs) == 1
    assert "pairs.csv:3: the pair of" in source.notes[0]


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"split": "train"}, "another split"),
        ({"category": "animal-human"}, "differs from"),
        ({"split": "dev"}, "split 'dev' is none of"),
        ({"motion_fps": "fast"}, "motion_fps is 'fast'"),
        ({"motion_fps": "0"}, "motion_fps is '0'"),
        ({"truth_onset_seconds": ""}, "truth_onset_seconds is ''"),
        ({"video": "../a.mp4"}, "leads out of the folder"),
        ({"motion_vec263": "/etc/m.npy"}, "leads out of the folder"),
        ({"motion_vec263": "x\\..\\..\\m.npy"}, "leads out of the folder"),
        ({"video": "C:\\a.mp4"}, "leads out of the folder"),
        ({"video": ""}, "empty path"),
    ],
)
def test_impossible_rows_are_named(tmp_path: Path, second: dict[str, str], words: str) -> None:
    path = write_csv(tmp_path / "pairs.csv", [FULL_ROW, FULL_ROW | second])
    with pytest.raises(InputError, match=words) as caught:
        open_source(path)
    assert "pairs.csv:3" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("video,motion\n", "no videos"),
        ("", "no videos"),
        ("video,motion\na.mp4\n", "pairs.csv:2: 1 cells under 2 columns"),
        ("clip,motion\na.mp4,m.npy\n", "no column video for video; columns are clip, motion"),
        ("video,caption\na.mp4,m.npy\n", "no column motion or motion_vec263 or motion_joints"),
        ("video,video\na.mp4,m.npy\n", "same name"),
        ('video,motion\n"a.mp4,m.npy\n', "cannot be read as CSV"),
    ],
)
def test_unusable_tables(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        open_source(tmp_path)


@pytest.mark.parametrize("name", ["train.txt", "pairs.csv", "pairs.parquet"])
def test_bytes_that_are_no_list(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe\x00\x81" * 10)
    with pytest.raises(InputError, match=f"{name}: cannot be read"):
        open_source(tmp_path)


# folders of videos


def test_a_tree_of_videos(tmp_path: Path) -> None:
    touch(
        tmp_path / "human-human/hug/a.mp4",
        tmp_path / "human-human/hug/B.MKV",
        tmp_path / "animal-human/dog/a.webm",
        tmp_path / "animal-human/dog/notes.txt",
        tmp_path / ".hidden/x.mp4",
        tmp_path / "human-human/hug/._a.mp4",
    )
    source = open_source(tmp_path)
    assert source.kind == "video folder"
    assert source.pairs == ()
    assert {(v.relative, v.broad, v.subcategory) for v in source.videos} == {
        ("animal-human/dog/a.webm", "animal-human", "dog"),
        ("human-human/hug/B.MKV", "human-human", "hug"),
        ("human-human/hug/a.mp4", "human-human", "hug"),
    }
    assert [v.key for v in source.videos] == sorted(v.key for v in source.videos)


def test_a_flat_folder_of_videos(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4", tmp_path / "b.avi")
    assert {(v.broad, v.subcategory) for v in open_source(tmp_path).videos} == {("unknown", "unknown")}


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere/a.mp4")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/hug").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/again").symlink_to(tmp_path / "root")
    assert relatives(open_source(tmp_path / "root")) == ["hug/a.mp4"]


# the description, and what is no source


def test_a_description_in_the_folder_or_given(tmp_path: Path) -> None:
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


def test_the_described_rate_holds_where_a_row_states_none(tmp_path: Path) -> None:
    (tmp_path / "dataset.toml").write_text('name = "n"\nstatement = "s"\nmotion_fps = 30\n')
    rows = [
        {"video": "a.mp4", "motion": "m.npy", "motion_fps": ""},
        {"video": "a.mp4", "motion": "n.npy", "motion_fps": "60"},
    ]
    source = open_source(write_csv(tmp_path / "pairs.csv", rows))
    assert [pair.motion_fps for pair in source.pairs] == [30, 60]


def test_unknown_keys_of_a_description_are_refused(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4")
    (tmp_path / "dataset.toml").write_text('name = "n"\nstatement = "s"\nlicense = "MIT"\n')
    with pytest.raises(ConfigError, match="license"):
        open_source(tmp_path)


@pytest.mark.parametrize("name", ["vimo.toml", "minivimo.toml"])
def test_the_descriptions_that_come_with_the_project(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "a.mp4")
    source = open_source(tmp_path, REPOSITORY / "manifests" / name)
    assert source.description.broad == ("human-human", "animal-human", "scene-human")


def test_what_is_no_source(tmp_path: Path) -> None:
    touch(tmp_path / "empty/notes.md", tmp_path / "clip.mp4")
    with pytest.raises(InputError, match="no such folder or table"):
        open_source(tmp_path / "absent")
    with pytest.raises(InputError, match="no videos"):
        open_source(tmp_path / "empty")
    with pytest.raises(InputError, match="not a source"):
        open_source(tmp_path / "clip.mp4")
    with pytest.raises(InputError, match="columns are chosen in a pair table"):
        open_source(tmp_path / "empty", columns={"motion": "m"})
