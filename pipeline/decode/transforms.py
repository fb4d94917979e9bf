"""From a decoded frame to what the encoder takes: squash to a square, ImageNet mean and deviation."""

import cv2
import numpy as np
from numpy.typing import NDArray

from hero_core.errors import InputError

IMAGE_SIZE = 224
"""Side of the encoder's square input, pixels."""

RESIZE_RULE = "cv2.resize INTER_LINEAR of uint8 RGB straight to the square: aspect ratio not kept, no crop"
NORMALISATION_RULE = "RGB 0-255, minus ImageNet mean, times 1 / ImageNet std, rounded once to float32"

# The official release keeps both as float32 and computes in float64; so do we, to the last bit, because token
# selection in TC-CLIP turns a rounding difference into a visible one.
_MEAN = np.array([123.675, 116.28, 103.53], dtype=np.float32).astype(np.float64)
_STD = np.array([58.395, 57.12, 57.375], dtype=np.float32).astype(np.float64)
_LEVELS = ((np.arange(256)[:, None] - _MEAN) * (1 / _STD)).astype(
    np.float32
)  # (256, 3): every possible value
_LEVELS.flags.writeable = False


def resize_frame(frame: NDArray[np.uint8], size: int = IMAGE_SIZE) -> NDArray[np.uint8]:
    """Squash an RGB frame ``(h, w, 3)`` to ``(size, size, 3)``: bilinear, aspect ratio not kept.

    Raises:
        InputError: not a uint8 RGB frame.
    """
    _check_rgb(frame, "(h, w, 3)", 3)
    return np.asarray(cv2.resize(frame, (size, size), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def normalise(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Frames ``(t, h, w, 3)`` uint8 RGB to ``(t, 3, h, w)`` float32 of about zero mean and unit deviation.

    Bit-identical with the official release's preprocessing.

    Raises:
        InputError: not uint8 RGB frames.
    """
    _check_rgb(frames, "(t, h, w, 3)", 4)
    channels = [_LEVELS[:, channel][frames[..., channel]] for channel in range(3)]
    return np.stack(channels, axis=1)  # (t, 3, h, w)


def _check_rgb(array: NDArray[np.uint8], expected: str, dimensions: int) -> None:
    if array.dtype != np.uint8 or array.ndim != dimensions or array.shape[-1] != 3 or array.size == 0:
        raise InputError(f"expected uint8 RGB {expected}, got {array.dtype} {array.shape}")
