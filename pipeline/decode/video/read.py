"""Every frame of a video, as a player shows it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.decode.checks import DecodeLimits, check_damage
from pipeline.decode.video.frames import decode_in_order
from pipeline.decode.video.opened import open_video, packets_of, within_memory
from pipeline.decode.video.rgb import RgbConverter
from pipeline.decode.video.timing import ASSUMED_FPS


def read_frames(
    path: Path, limits: DecodeLimits | None = None, rotate: bool = True
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Every frame with its time in seconds since the first one, as uint8 RGB ``(h, w, 3)`` of its own size.

    Frames that do not decode are passed over and rotation metadata is applied, as a player does; ``decode_clip`` is
    the judge of damage.

    Raises:
        DecodeError: no readable video in the file, no frame decodes or is of a kind that has no RGB, or over the
            limits.
    """
    limits = limits or DecodeLimits()
    to_rgb = RgbConverter(path, rotate)
    with within_memory(path), open_video(path, limits) as video:
        seconds = 0.0
        for index, frame in enumerate(decode_in_order(video, packets_of(video))):
            first, now = video.tally.times_seconds[0], video.tally.times_seconds[-1]
            if first is None or now is None:
                seconds = index / (video.tally.declared_fps or ASSUMED_FPS)
            else:
                seconds = max(seconds, now - first)  # AVI gives frames of one group times out of order
            yield seconds, to_rgb(frame)
        if video.tally.frame_count == 0:
            check_damage(path, video.tally, limits)
