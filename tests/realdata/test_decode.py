"""Every real video decodes, every broken one ends as expected.csv says: ok or a ``DecodeError``, never a crash."""

import csv
from pathlib import Path

import numpy as np
import pytest

from pipeline.decode import DecodedClip, DecodeError, decode_clip, read_frames
from pipeline.sources import open_source

SIZE = 32  # small: the tests look at counts and times, not at pixels
NOT_VIDEOS = {".npy", ".bvh"}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def decoded(realdata_dir: Path) -> dict[str, DecodedClip]:
    paths = sorted((realdata_dir / "videos").iterdir())
    assert paths
    return {path.name: decode_clip(path, size=SIZE) for path in paths}


def test_every_real_video_decodes_to_its_true_frame_count(
    realdata_dir: Path, decoded: dict[str, DecodedClip]
) -> None:
    facts = {Path(row["file"]).name: row for row in rows_of(realdata_dir / "videos.csv")}
    for name, clip in decoded.items():
        assert clip.frames.shape == (16, SIZE, SIZE, 3)
        if name in facts:
            assert clip.frame_count == int(facts[name]["frames_ffmpeg"].split()[0]), name


def test_times_of_real_videos_fit_their_duration(decoded: dict[str, DecodedClip]) -> None:
    for name, clip in decoded.items():
        times = clip.timestamps_seconds
        assert (np.diff(times) >= 0).all(), name
        assert times[0] >= 0, name
        assert times[-1] <= clip.frame_count / clip.fps, name


def test_real_videos_show_what_their_headers_hide(decoded: dict[str, DecodedClip]) -> None:
    """The odd files: edit list, variable rate, rotation, two video streams, no times."""

    def check(name: str, frame_count: int, warning: str | None) -> None:
        if name in decoded:
            assert decoded[name].frame_count == frame_count
            text = " ".join(decoded[name].warnings)
            assert warning in text if warning else not text

    check("x_bikes_copy_editlist.mp4", 52, None)
    check("x_ntu_vfr.mp4", 37, "container states 16.8")
    check("x_dog_d_rot90.mp4", 75, "rotation metadata of 90 degrees not applied")
    check("nasa_13013.mp4", 325, None)
    check("x_fi037_raw.h264", 79, "no usable frame times")


def test_every_broken_video_ends_as_expected(realdata_dir: Path) -> None:
    expected = [
        row
        for row in rows_of(realdata_dir / "broken" / "expected.csv")
        if Path(row["file"]).suffix not in NOT_VIDEOS
    ]
    assert expected
    wrong = []
    for row in expected:
        try:
            clip = decode_clip(realdata_dir / "broken" / row["file"], size=SIZE)
            outcome, detail = "ok", str(clip.warnings)
        except DecodeError as error:
            outcome, detail = "quarantine", error.reason
        if row["expect"] not in (outcome, "either"):
            wrong.append(f"{row['file']}: {outcome}, expected {row['expect']} ({detail})")
    assert not wrong


def test_a_video_cut_short_is_not_silent(realdata_dir: Path) -> None:
    path = realdata_dir / "broken" / "truncated_last_kB.mp4"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    assert any("129 of 131 promised frames" in warning for warning in decode_clip(path, size=SIZE).warnings)


def test_all_frames_of_a_real_video_can_be_read_in_order(
    realdata_dir: Path, decoded: dict[str, DecodedClip]
) -> None:
    name = min(decoded, key=lambda name: (realdata_dir / "videos" / name).stat().st_size)
    times = [seconds for seconds, _ in read_frames(realdata_dir / "videos" / name)]
    assert len(times) == decoded[name].frame_count
    assert times == sorted(times)


def test_the_real_folder_opens_as_every_kind_of_source(realdata_dir: Path) -> None:
    lists = open_source(realdata_dir)
    table = open_source(realdata_dir / "pairs.csv")
    joints = open_source(realdata_dir / "pairs.csv", columns={"motion": "motion_joints"})
    folder = open_source(realdata_dir / "videos")
    assert {video.relative for video in lists.videos} == {video.relative for video in table.videos}
    assert {(pair.video_key, pair.motion_key) for pair in lists.pairs} == {
        (pair.video_key, pair.motion_key) for pair in table.pairs
    }
    assert all(pair.motion.is_file() for pair in (*table.pairs, *joints.pairs))
    assert len({video.group for video in table.videos}) < len(
        table.videos
    )  # cuts of one parent share a group
    assert len(folder.videos) == len(list((realdata_dir / "videos").iterdir()))
