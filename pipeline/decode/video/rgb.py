"""Decoded frames to RGB."""

from pathlib import Path

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from pipeline.decode.checks import DecodeError
from pipeline.decode.video.opened import reason_of

_UNTAGGED = 2  # of the three colour tags, in ITU-T H.273


class RgbConverter:
    """Decoded frames to uint8 RGB ``(h, w, 3)``, with a warning where a file's colour tags have to be left aside."""

    def __init__(self, path: Path, rotate: bool) -> None:
        self._path, self._rotate = path, rotate
        self._reformatter = VideoReformatter()  # a new one would build its tables anew for every frame
        self.warnings: list[str] = []

    def __call__(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Raises ``DecodeError``, stage ``decode``, for a frame that swscale refuses."""
        try:
            try:
                rgb = self._reformat(frame)
            except MemoryError:  # also an FFmpegError in PyAV
                raise
            except (FFmpegError, OSError, ValueError):
                self._untag(frame)
                rgb = self._reformat(frame)
        except MemoryError:  # also an FFmpegError in PyAV
            raise
        except (FFmpegError, OSError, ValueError) as error:
            reason = f"frames of format {frame.format.name} cannot become RGB: {reason_of(error)}"
            raise DecodeError(self._path, "decode", reason) from None
        quarter_turns = round(frame.rotation / 90) if self._rotate else 0  # counterclockwise
        return np.ascontiguousarray(np.rot90(rgb, quarter_turns)) if quarter_turns else rgb

    def _reformat(self, frame: VideoFrame) -> NDArray[np.uint8]:
        rgb = self._reformatter.reformat(frame, format="rgb24", threads=1)
        return np.asarray(rgb.to_ndarray(), np.uint8)  # (h, w, 3)

    def _untag(self, frame: VideoFrame) -> None:
        warning = (
            f"colour tags that swscale does not convert (matrix {frame.colorspace}, transfer {frame.color_trc}, "
            f"primaries {frame.color_primaries} of ITU-T H.273): BT.601 assumed, as for a file without tags"
        )
        if warning not in self.warnings:
            self.warnings.append(warning)
        frame.colorspace = frame.color_trc = frame.color_primaries = _UNTAGGED
