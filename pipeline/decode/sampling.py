"""Which frames of a clip the encoder sees."""

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import InputError

SAMPLES = 16
"""Frames a clip is reduced to (paper, section 5.1)."""

SAMPLING_RULE = "centres of t equal segments: floor(i * n/t + n/2t) mod n, of the n frames that decode"


def segment_centres(frame_count: int, samples: int = SAMPLES) -> NDArray[np.int64]:
    """Indices of the middle frames of ``samples`` equal parts, as the official release takes them.

    Valid for any ``frame_count`` of at least 1: a clip shorter than ``samples`` frames repeats some of them.

    Returns:
        ``(samples,)``, not decreasing, each in ``[0, frame_count)``.

    Raises:
        InputError: ``frame_count`` or ``samples`` is below 1.
    """
    if frame_count < 1 or samples < 1:
        raise InputError(f"cannot take {samples} frames of {frame_count}: both must be at least 1")
    segment = frame_count / samples
    centres = np.arange(samples, dtype=np.float64) * segment + segment / 2
    return centres.astype(np.int64) % frame_count
