import os
from pathlib import Path

import numpy as np
import pytest

from hero_core.view.played import played_video
from pipeline.decode.video import decode_clip, write_mp4
from pipeline.previews import write_previews
from pipeline.sources import open_source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A video of 320 by 200, one that is called otherwise, and one that is none."""
    kind = tmp_path / "videos" / "human-human" / "wave"
    kind.mkdir(parents=True)
    picture = np.random.default_rng(0).integers(0, 255, (200, 320, 3), dtype=np.uint8)
    write_mp4(kind / "a.mp4", (np.roll(picture, 3 * index, axis=1) for index in range(12)), 12)
    (kind / "b.mov").write_bytes((kind / "a.mp4").read_bytes())
    (kind / "c.mp4").write_bytes(b"no video")
    return tmp_path / "videos"


def test_copies_are_small_are_found_and_are_not_made_again(folder: Path, tmp_path: Path) -> None:
    videos, out = open_source(folder).videos, tmp_path / "previews"
    done = write_previews(videos, out, longer_side=64)
    assert (done.made, done.kept, list(done.left_out)) == (2, 0, ["human-human/wave/c.mp4"])
    for name in ("human-human/wave/a.mp4", "human-human/wave/b.mov"):
        found = played_video(out, name)
        assert found is not None
        assert len(found.data) < (folder / name).stat().st_size / 4
        copy = tmp_path / "copy.mp4"
        copy.write_bytes(found.data)
        clip = decode_clip(copy, size=32)
        assert clip.frame_count / clip.fps == pytest.approx(1.0, abs=0.11)  # second
    assert played_video(out, "human-human/wave/c.mp4") is None
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.mp4")}
    again = write_previews(videos, out, longer_side=64)
    assert (again.made, again.kept, len(again.left_out)) == (0, 2, 1)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.mp4")} == before


def test_a_video_that_changed_gets_another_copy(folder: Path, tmp_path: Path) -> None:
    videos, out = open_source(folder).videos, tmp_path / "previews"
    write_previews(videos, out, longer_side=64)
    newer = (out / "human-human/wave/a.mp4").stat().st_mtime + 10
    os.utime(folder / "human-human/wave/a.mp4", (newer, newer))
    assert write_previews(videos, out, longer_side=64).made == 1


def test_both_processes_give_what_one_gives(folder: Path, tmp_path: Path) -> None:
    videos = open_source(folder).videos
    for workers in (1, 2):
        write_previews(videos, tmp_path / str(workers), longer_side=64, workers=workers)
    one, two = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.mp4")}
        for name in ("1", "2")
    )
    assert one == two
