"""The page of a reaction: what stands in it, and that its video is one that a browser plays."""

import base64
import gzip
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hero_core.motion.humanml3d import joints_to_vectors, vectors_to_joints
from hero_core.view.document import document_json
from hero_core.view.html import page_html
from pipeline.browser_video import VideoLimits, browser_video
from pipeline.decode.video import DecodedClip, decode_clip, read_frames, write_mp4
from pipeline.minivimo import make_motion, sample_clip
from pipeline.react.page import reaction_document
from pipeline.react.reaction import Reaction


def striped(folder: Path, count: int = 30, height: int = 90, width: int = 160, fps: int = 15) -> Path:
    """A video whose frames are ever brighter."""
    path = folder / "clip <b>.mp4"
    frames = (np.full((height, width, 3), 8 * index, np.uint8) for index in range(count))
    write_mp4(path, frames, fps)
    return path


def reaction(video: Path) -> Reaction:
    vectors = joints_to_vectors(make_motion(sample_clip(0, 0), 0))[:40]
    provenance = {
        "generator": "hero",
        "seed": 3,
        "encoder": "mini",
        "sampling": {"steps": 10, "layers": None},
    }
    clip = decode_clip(video, size=32)
    return Reaction(
        video, vectors, vectors_to_joints(vectors), clip, "Made of noise.", provenance, ("a warning",)
    )


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return striped(tmp_path_factory.mktemp("video"))


def test_the_page_holds_video_motion_files_and_words(video: Path, tmp_path: Path) -> None:
    (tmp_path / "clip.bvh").write_text("HIERARCHY\n")
    document = reaction_document([reaction(video)], {"clip <b>-3": [tmp_path / "clip.bvh"]})
    values = document_json(document)
    (sample,) = values["samples"]
    assert values["title"] == "A reaction to clip <b>.mp4"
    assert values["notes"] == ["a warning"]
    assert dict(sample["facts"])["Sampling"] == "steps 10"
    assert dict(sample["facts"])["Made of"] == "Made of noise."
    assert len(sample["sampled_seconds"]) == 16
    file, glb = sample["motions"][0]["files"]
    assert glb["name"] == "clip <b>-3.glb"
    assert gzip.decompress(base64.b64decode(glb["data"])).startswith(b"glTF")
    assert gzip.decompress(base64.b64decode(file["data"])) == b"HIERARCHY\n"
    page = page_html(document)
    data = re.search(r'id="reactions">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert json.loads(data[1])["samples"] == values["samples"]


def shown(video: Path, tmp_path: Path, limits: VideoLimits) -> DecodedClip:
    made = browser_video(video, decode_clip(video, size=32), limits)
    assert made is not None
    (tmp_path / "made.mp4").write_bytes(made.data)
    return decode_clip(tmp_path / "made.mp4", size=32)


def test_the_video_keeps_its_frames_and_rate(video: Path, tmp_path: Path) -> None:
    clip = shown(video, tmp_path, VideoLimits())
    assert (clip.frame_count, clip.fps) == (30, 15)
    for index, (_, frame) in enumerate(read_frames(tmp_path / "made.mp4")):
        assert abs(float(frame.mean()) - 8 * index) < 4


def test_long_fast_and_large_videos_become_shorter_slower_and_smaller(tmp_path: Path) -> None:
    video = striped(tmp_path, count=31, height=300, width=401, fps=60)
    limits = VideoLimits(seconds=0.4, fps=20, longer_sides=(100,))
    clip = shown(video, tmp_path, limits)
    assert (clip.frame_count, clip.fps) == (8, 20)
    (_, frame), *_ = read_frames(tmp_path / "made.mp4")
    assert frame.shape == (74, 100, 3)


def test_a_video_that_stays_too_large_is_left_out_and_said_so(video: Path) -> None:
    document = reaction_document([reaction(video)], {"clip <b>-3": []}, VideoLimits(file_bytes=100))
    assert document.samples[0].video is None
    assert document.notes[0] == "The video is larger than 100 bytes and not in this page."


def test_a_video_of_two_frames_in_two_hours_is_shown(tmp_path: Path) -> None:
    video = striped(tmp_path, count=2)
    clip = replace(decode_clip(video, size=32), fps=1 / 7200)
    made = browser_video(video, clip, VideoLimits(seconds=4))
    assert made is not None
    (tmp_path / "made.mp4").write_bytes(made.data)
    again = decode_clip(tmp_path / "made.mp4", size=32)
    assert (again.frame_count, again.fps) == (4, 1)
