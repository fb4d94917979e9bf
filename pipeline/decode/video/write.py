"""Frames to a video file."""

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from hero_core.errors import InputError
from hero_core.storage import atomic_path

Effort = Literal["ultrafast", "veryfast"]
"""How hard x264 works; its own names."""


def write_mp4(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    fps: Fraction | float,
    crf: int = 20,
    effort: Effort = "veryfast",
    keyframe_every: int | None = None,
) -> None:
    """Write uint8 RGB frames ``(h, w, 3)``, all of one size, as H.264 yuv420p (MPEG-4 where x264 is absent).

    With less ``effort`` the same quality ``crf`` takes less time and larger files. Players seek the quicker the more
    often there is a key frame; by default x264 decides.

    The same frames give the same bytes (with the same PyAV). An odd height or width is filled up by repeating the
    last row or column, since yuv420p needs even ones. The file appears complete or not at all.

    Raises:
        InputError: no frames, frames of different shapes, or an impossible frame rate.
    """
    rate = Fraction(fps).limit_denominator(1001) if math.isfinite(fps) else Fraction()
    if rate <= 0:
        raise InputError(f"{path}: cannot write a video at {fps} frames per second")
    with atomic_path(path) as temporary:
        _encode(temporary, _of_one_shape(path, frames), rate, crf, effort, keyframe_every)


def _of_one_shape(path: Path, frames: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    shape: tuple[int, ...] | None = None
    for frame in frames:
        shape = shape or frame.shape
        if frame.dtype != np.uint8 or frame.shape != shape or frame.ndim != 3 or frame.shape[-1] != 3:
            raise InputError(f"{path}: expected uint8 frames {shape}, got {frame.dtype} {frame.shape}")
        height, width, _ = frame.shape
        yield np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    if shape is None:
        raise InputError(f"{path}: no frames to write")


def _encode(
    path: Path,
    frames: Iterator[NDArray[np.uint8]],
    rate: Fraction,
    crf: int,
    effort: Effort,
    keyframe_every: int | None,
) -> None:
    """One thread, no macroblock tree and no time of writing in the file: the same frames give the same bytes."""
    x264 = "libx264" in av.codecs_available
    options = {"crf": str(crf), "preset": effort, "x264-params": "mbtree=0"} if x264 else {"qscale": "3"}
    options |= {} if keyframe_every is None else {"g": str(keyframe_every)}
    name = str(path.absolute())  # FFmpeg takes "a:b.mp4" for a protocol "a"
    with av.open(name, "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264" if x264 else "mpeg4", rate=rate, options=options)
        stream.codec_context.thread_count = 1
        stream.pix_fmt = "yuv420p"
        for index, array in enumerate(frames):
            if index == 0:
                stream.height, stream.width = array.shape[:2]
            frame = VideoFrame.from_ndarray(array, format="rgb24")
            frame.pts = index
            frame.time_base = 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
