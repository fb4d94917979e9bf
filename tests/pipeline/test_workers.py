"""What a worker brings back of one file: content, nothing new, or the reason why there is nothing."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from hero_core.storage import sha256_of_file
from pipeline.decode.checks import DecodeLimits
from pipeline.decode.video import DecodedClip
from pipeline.motions import LoadedMotion, MotionConversion
from pipeline.workers import Input, Outcome, convert_motion, decode_video, kill_seconds_of, size_and_time
from tests.pipeline.conftest import make_video, save_motion, standing_motion


def decoded(path: Path, known: str | None = None) -> Outcome:
    return decode_video(Input("k", path, path.name, "m", known), 16, 4, DecodeLimits(), False)


def test_a_video_and_a_motion(tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4", 1)
    outcome = decoded(tmp_path / "a.mp4")
    assert isinstance(outcome.content, DecodedClip)
    assert outcome.content.frames.shape == (4, 16, 16, 3)
    status = (tmp_path / "a.mp4").stat()
    assert (outcome.bytes, outcome.modified_ns) == (status.st_size, status.st_mtime_ns)
    assert outcome.sha256 == sha256_of_file(tmp_path / "a.mp4")
    save_motion(tmp_path / "a.npy", standing_motion(40, 1))
    converted = convert_motion(Input("k", tmp_path / "a.npy", "a.npy", "m"), MotionConversion())
    assert isinstance(converted.content, LoadedMotion)
    assert converted.content.record.length == 39


def test_a_process_is_killed_over_a_small_file_sooner(tmp_path: Path) -> None:
    seconds = {}
    for name, size in (("small", 200_000), ("large", 10**9)):
        path = tmp_path / name
        with path.open("wb") as file:
            file.truncate(size)
        seconds[name] = kill_seconds_of(Input("k", path, name, "m"), DecodeLimits())
    assert seconds == {"small": pytest.approx(2 * (20 + 2) + 30), "large": 2 * 300 + 30}
    assert kill_seconds_of(Input("k", tmp_path / "gone", "gone", "m"), DecodeLimits()) == 2 * 20 + 30


def test_known_content_is_not_read_again(tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4", 1)
    known = sha256_of_file(tmp_path / "a.mp4")
    assert decoded(tmp_path / "a.mp4", known).unchanged
    assert decoded(tmp_path / "a.mp4", known).content is None
    make_video(tmp_path / "a.mp4", 2)
    assert decoded(tmp_path / "a.mp4", known).content is not None


@pytest.mark.parametrize("kind", ["absent", "folder", "empty", "text"])
def test_a_failure_is_a_value(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.mp4"
    if kind == "folder":
        path.mkdir()
    elif kind != "absent":
        path.write_bytes(b"" if kind == "empty" else b"not a video")
    outcome = decoded(path)
    assert outcome.content is None
    assert outcome.stage == "open"
    assert outcome.reason


@pytest.mark.parametrize(("stated", "kept"), [(5, 5), (2**64, 2**63 - 1), (-(2**64), 1 - 2**63)])
def test_times_fit_into_64_bits(stated: int, kept: int) -> None:
    status = SimpleNamespace(st_size=3, st_mtime_ns=stated)
    assert size_and_time(cast("os.stat_result", status)) == (3, kept)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4", 1)
    (tmp_path / "a.mp4").chmod(0)
    assert "denied" in str(decoded(tmp_path / "a.mp4").reason)
