"""A video made anew as browsers play it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray

from hero_core.view.compose import frames_at
from hero_core.view.document import ShownVideo
from pipeline.decode.video import DecodedClip, read_frames, write_mp4


@dataclass(frozen=True)
class VideoLimits:
    """What a video in a page may take: longer ones are cut, larger ones made smaller.

    Attributes:
        seconds: longest.
        fps: highest rate.
        least_fps: lowest rate; where frames come more slowly they are repeated.
        longer_sides: pixels, tried one after another until the file is small enough.
        crf: quality, as x264 counts it: 24 is hardly seen, 32 is.
        file_bytes: largest; a video that the smallest size does not bring below it is left out.
    """

    seconds: float = 30.0
    fps: float = 30.0
    least_fps: float = 1.0
    longer_sides: tuple[int, ...] = (640, 480, 320)
    crf: int = 24
    file_bytes: int = 8_000_000


def browser_video(path: Path, clip: DecodedClip, limits: VideoLimits) -> ShownVideo | None:
    """A video made anew as browsers play it: upright, without its metadata, quick to seek in, and small.

    Raises:
        DecodeError: the video cannot be read.
    """
    fps = min(max(clip.fps, limits.least_fps), limits.fps)
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "video.mp4"
        for side in limits.longer_sides:
            frames = _shrunk(path, clip.frame_count / clip.fps, fps, side, limits.seconds)
            write_mp4(copy, frames, fps, crf=limits.crf, keyframe_every=round(fps / 2) or 1)
            if copy.stat().st_size <= limits.file_bytes:
                return ShownVideo(path.name, copy.read_bytes())
    return None


def _shrunk(
    path: Path, seconds: float, fps: float, longer_side: int, longest_seconds: float
) -> Iterator[NDArray[np.uint8]]:
    """The frames on the screen at so many times a second, with an even height and width."""
    count = max(1, round(min(seconds, longest_seconds) * fps))
    for frame in frames_at(read_frames(path), (index / fps for index in range(count))):
        height, width = frame.shape[:2]
        scale = min(1.0, longer_side / max(height, width))
        size = max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
        yield np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
