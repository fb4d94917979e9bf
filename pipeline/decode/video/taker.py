"""Keeps some frames of a video."""

from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from pipeline.decode.transforms import resize_frame
from pipeline.decode.video.rgb import RgbConverter


class Taker:
    """Keeps the frames that were asked for, as squares ``(size, size, 3)``, by their indices."""

    def __init__(self, path: Path, size: int, rotate: bool) -> None:
        self._size, self.to_rgb = size, RgbConverter(path, rotate)
        self.frames: dict[int, NDArray[np.uint8]] = {}

    def take(self, index: int, frame: VideoFrame) -> None:
        """Keep this one."""
        self.frames[index] = resize_frame(self.to_rgb(frame), self._size)

    def has(self, indices: NDArray[np.int64]) -> bool:
        """Whether all of these are kept."""
        return self.frames.keys() >= set(indices.tolist())
