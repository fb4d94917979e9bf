"""Pair tables, CSV and parquet: what is read, and what is refused with its row."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hero_core.errors import InputError
from hero_core.records import Truth
from hero_core.storage import write_csv
from pipeline.sources import SourcePair, open_source


def table(folder: Path, rows: Sequence[Mapping[str, Any]], suffix: str = ".csv") -> Path:
    path = folder / f"pairs{suffix}"
    if suffix == ".csv":
        write_csv(path, list(rows[0]), rows)
    else:
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
    return path


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
    typed = FULL_ROW | {"motion_fps": 30.0, "truth_onset_seconds": 1.25}
    table(tmp_path, [typed], suffix)
    source = open_source(tmp_path)
    (video,), (motion,) = source.videos, source.motions
    assert source.kind == "pair table"
    assert (video.broad, video.subcategory, video.group) == ("human-human", "hug, long", "film.mp4")
    assert (motion.relative, motion.fps) == ("v263/a.npy", 30.0)
    assert source.pairs == (SourcePair(video.key, motion.key, "test", Truth("hug", "left", 1.25)),)


def test_columns_can_be_chosen_and_are_kept(tmp_path: Path) -> None:
    path = table(tmp_path, [FULL_ROW])
    source = open_source(path, columns={"motion": "motion_joints"})
    assert source.motions[0].relative == "j/a.npy"
    assert source.columns == {"motion": "motion_joints"}
    assert open_source(path, columns=source.columns) == source
    assert open_source(path).columns == {}


@pytest.mark.parametrize(
    ("header", "columns", "words"),
    [
        (
            "name,clip,motion",
            {},
            "no column video for video; columns are name, clip, motion.*--column video=clip",
        ),
        ("video,caption,bvh", {}, "no column motion or motion_vec263 or motion_joints.*--column motion=bvh"),
        ("text,clip,bvh", {}, "--column video=clip"),
        ("name,video,motion", {"video": "vid"}, "no column vid for video.*--column video=video"),
        ("video,part,motion", {"split": "splitt"}, "no column splitt for split.*--column split=part"),
        (
            "video,x,motion",
            {"clip": "x"},
            "--column clip=x: no such field; write FIELD=COLUMN .*video, motion",
        ),
    ],
)
def test_column_errors_name_the_option_that_mends_them(
    tmp_path: Path, header: str, columns: dict[str, str], words: str
) -> None:
    (tmp_path / "pairs.csv").write_text(f"{header}\none,a.mp4,a.bvh\n")
    with pytest.raises(InputError, match=words):
        open_source(tmp_path, columns=columns)


def test_the_column_that_an_error_names_works(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("name,clip,bvh\none,a.mp4,a.bvh\n")
    columns: dict[str, str] = {}
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            open_source(tmp_path, columns=columns)
        field, _, column = str(caught.value).rpartition("--column ")[2].partition("=")
        columns[field] = column
    assert open_source(tmp_path, columns=columns).videos[0].relative == "a.mp4"


def test_videos_and_motions_can_stand_alone(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text(
        "video,motion,split\na.mp4,m.npy,train\nb.mp4,,\n,m.npy,val\n,n.npy,\n"
    )
    source = open_source(tmp_path)
    assert [(v.relative, v.broad, v.subcategory, v.group) for v in source.videos] == [
        ("a.mp4", "unknown", "unknown", "a.mp4"),
        ("b.mp4", "unknown", "unknown", "b.mp4"),
    ]
    assert [motion.relative for motion in source.motions] == ["m.npy", "n.npy"]
    assert source.pairs == (
        SourcePair("a-mp4", "m-npy", "train", None),
        SourcePair(None, "m-npy", "val", None),
        SourcePair(None, "n-npy", None, None),
    )


def test_a_motion_of_its_own_answers_nothing(tmp_path: Path) -> None:
    source = open_source(table(tmp_path, [FULL_ROW | {"video": ""}]))
    assert source.pairs == (SourcePair(None, source.motions[0].key, "test", None),)


def test_empty_parquet_cells_are_unknown(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"video": "a.mp4", "motion": "m.npy", "split": None, "motion_fps": None, "category": None},
        {"video": None, "motion": "n.npy", "split": None, "motion_fps": float("nan"), "category": None},
    ]
    schema = pa.schema(
        [(name, pa.string()) for name in ("video", "motion", "split", "category")]
        + [("motion_fps", pa.float64())]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "pairs.parquet")
    source = open_source(tmp_path)
    assert source.videos[0].broad == "unknown"
    assert source.pairs == (SourcePair("a-mp4", "m-npy", None, None), SourcePair(None, "n-npy", None, None))
    assert [motion.fps for motion in source.motions] == [None, None]


def test_cells_of_a_csv_are_text(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_bytes(
        b"\xef\xbb\xbfvideo,motion,subcategory,split\r\n007, 1e3 ,NA,\r\n\r\n,,,\r\n"
    )
    source = open_source(tmp_path)
    assert [(v.relative, v.subcategory) for v in source.videos] == [("007", "NA")]
    assert [motion.relative for motion in source.motions] == ["1e3"]


def test_the_described_rate_holds_where_a_row_states_none(tmp_path: Path) -> None:
    (tmp_path / "dataset.toml").write_text('name = "n"\nstatement = "s"\nmotion_fps = 30\n')
    (tmp_path / "pairs.csv").write_text(
        "video,motion,motion_fps\na.mp4,m.npy,\na.mp4,n.npy,60\n,o.bvh,\n,p.bvh,120\n"
    )
    assert [motion.fps for motion in open_source(tmp_path).motions] == [30, 60, None, 120]


def test_videos_cut_from_one_parent_share_a_group(tmp_path: Path) -> None:
    parents = {
        "videos/film.mp4": "",
        "videos/cut.mp4": "film.mp4",
        "videos/cut_of_cut.mp4": "videos/cut.mp4",
        "videos/named.mp4": f"{tmp_path}/videos/film.mp4",
        "videos/other.mp4": "",
        "videos/stray_1.mp4": "not listed",
        "videos/stray_2.mp4": "not listed",
    }
    rows = [{"video": video, "motion": "", "parent_video": parent} for video, parent in parents.items()]
    groups = {Path(video.relative).stem: video.group for video in open_source(table(tmp_path, rows)).videos}
    assert groups == {
        "film": "videos/film.mp4",
        "cut": "videos/film.mp4",
        "cut_of_cut": "videos/film.mp4",
        "named": "videos/film.mp4",
        "other": "videos/other.mp4",
        "stray_1": "not listed",
        "stray_2": "not listed",
    }


def test_a_pair_listed_again_is_kept_once_and_said(tmp_path: Path) -> None:
    source = open_source(table(tmp_path, [FULL_ROW] * 3))
    assert len(source.pairs) == 1
    assert source.notes == (f"2 rows list a pair again, e.g. {tmp_path / 'pairs.csv'}:3; it is kept once",)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"split": "train"}, "v263/a.npy is listed again as the same pair, with another split"),
        ({"truth_side": "right"}, "listed again .* with another split or truth"),
        ({"category": "animal-human"}, "v/a.mp4 differs from an earlier row in category"),
        ({"parent_video": ""}, "v/a.mp4 differs from an earlier row in parent_video"),
        ({"motion_fps": "20"}, "v263/a.npy differs from an earlier row in motion_fps"),
        ({"split": "dev"}, "split is 'dev'"),
        ({"motion_fps": "fast"}, "motion_fps is 'fast'"),
        ({"motion_fps": "0"}, "motion_fps is '0'"),
        ({"motion_fps": "nan"}, "motion_fps is 'nan'"),
        ({"truth_side": "front"}, "truth_side is 'front': Input should be 'left', 'right' or 'none'"),
        ({"truth_onset_seconds": "-1"}, "truth_onset_seconds is '-1'"),
        ({"truth_onset_seconds": ""}, "truth_onset_seconds is empty"),
        ({"video": "../a.mp4"}, "leads out of"),
        ({"motion_vec263": "/etc/m.npy"}, "leads out of .*--root"),
        ({"video": "", "motion_vec263": ""}, "neither a video nor a motion"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_impossible_rows_are_named(tmp_path: Path, second: dict[str, str], words: str, suffix: str) -> None:
    path = table(tmp_path, [FULL_ROW, FULL_ROW | second], suffix)
    with pytest.raises(InputError, match=words) as caught:
        open_source(path)
    assert f"{path}:{3 if suffix == '.csv' else 2}: " in str(caught.value)


def test_blank_lines_do_not_shift_the_row_that_an_error_names(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("video,motion,split\na.mp4,m.npy,\n\n,,\nb.mp4,m.npy,dev\n")
    with pytest.raises(InputError, match=r"pairs.csv:5: split is 'dev'"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("video,motion\n", "no videos and no motions"),
        ("", "cannot be read as CSV: Empty"),
        ("video,motion\na.mp4,m.npy\n\na.mp4\n", "Row #4: Expected 2 columns, got 1: a.mp4"),
        ("video,motion\na.mp4,m.npy,n.npy\n", "Row #2: Expected 2 columns, got 3"),
        ("video,video\na.mp4,m.npy\n", "same name"),
        ('video,motion,category\na.mp4,m.npy,"hug\nb.mp4,n.npy,hug\n', "a quote is opened and not closed"),
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


def test_a_byte_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_bytes(b"video,motion\ncaf\xe9.mp4,m.npy\n")
    with pytest.raises(InputError, match="cannot be read as CSV: 'utf-8'"):
        open_source(tmp_path)


def test_a_name_or_a_cell_of_parquet_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pairs.parquet"
    cells = pa.array([b"caf\xe9.mp4"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"video": cells, "motion": ["m.npy"]}), path)
    with pytest.raises(InputError, match=r"pairs\.parquet: cannot be read.*UTF8"):
        open_source(tmp_path)
    pq.write_table(
        pa.table({"video": ["a.mp4"], "motion": ["m.npy"], "note": [""]}), path, store_schema=False
    )
    path.write_bytes(path.read_bytes().replace(b"note", b"not\xe9"))
    with pytest.raises(InputError, match=r"pairs\.parquet: cannot be read.*utf-8"):
        open_source(tmp_path)
