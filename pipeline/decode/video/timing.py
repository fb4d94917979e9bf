"""When frames are shown, and at which rate."""

import numpy as np
from numpy.typing import NDArray

from pipeline.decode.checks import DecodeTally

ASSUMED_FPS = 25.0  # where neither frames nor container tell


_RATE_TOLERANCE = 0.05  # the container's frame rate may differ so much from the measured one


def timing_of(tally: DecodeTally) -> tuple[NDArray[np.float64], float, list[str]]:
    """Seconds of every frame since the first one, the average frame rate, and warnings about both."""
    count, declared = tally.frame_count, tally.declared_fps
    times = np.array(tally.times_seconds, dtype=np.float64)  # None becomes NaN
    if not np.isfinite(times).all() or (np.diff(times) < 0).any():
        fps = declared or ASSUMED_FPS
        return np.arange(count) / fps, fps, [f"no usable frame times: {fps:g} frames per second assumed"]
    times -= times[0]
    if times[-1] <= 0:
        return times, declared or ASSUMED_FPS, []
    measured = float((count - 1) / times[-1])
    if declared and abs(declared - measured) <= _RATE_TOLERANCE * measured:
        return times, declared, []
    stated = f"{declared:g}" if declared else "no"
    return times, measured, [f"container states {stated} frames per second, frames come at {measured:.2f}"]
