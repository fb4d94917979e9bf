"""Every real video decodes, every broken one ends as expected.csv says: ok or a ``DecodeError``, never a crash."""

import csv
from pathlib import Path

import numpy as np
import pytest

from pipeline.decode.video import DecodedClip, DecodeError, decode_clip, read_frames
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


def test_real_videos_show_what_their_headers_hide(
    realdata_dir: Path, decoded: dict[str, DecodedClip]
) -> None:
    """Rotation and variable rates, wherever the set's own table states them."""
    stated = {"rotation": 0, "rate": 0}
    for row in rows_of(realdata_dir / "videos.csv"):
        clip = decoded.get(Path(row["file"]).name)
        if clip is None:
            continue
        text = " ".join(clip.warnings)
        rotated = row["rotation"] not in ("", "0")
        assert ("rotation metadata of" in text) == rotated, row["file"]
        stated["rotation"] += rotated
        if "container states" in text:
            stated["rate"] += 1
            assert abs(clip.fps - float(row["frames_ffmpeg"].split()[0]) / float(row["duration_s"])) < 1.5, (
                row["file"]
            )
    if not all(stated.values()):
        pytest.skip(f"this set has no such videos: {stated}")


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
    """A file whose container promises more frames than decode is refused, or says so in a warning."""
    checked = 0
    for row in rows_of(realdata_dir / "broken" / "broken.csv"):
        declared, path = row["pyav_frames_declared"].split(), realdata_dir / "broken" / row["file"]
        if path.suffix in NOT_VIDEOS or len(declared) != 2 or not all(text.isdigit() for text in declared):
            continue
        decoded, promised = map(int, declared)
        if not 0 < decoded < promised:
            continue
        checked += 1
        try:
            said = " ".join(decode_clip(path, size=SIZE).warnings)
        except DecodeError as error:
            said = error.reason
        assert "promised" in said or "frames" in said, path
    if not checked:
        pytest.skip("this set has no video that is cut short")


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
    assert all(motion.path.is_file() for motion in (*table.motions, *joints.motions))
    assert len({video.group for video in table.videos}) < len(
        table.videos
    )  # cuts of one parent share a group
    assert len(folder.videos) == len(list((realdata_dir / "videos").iterdir()))
