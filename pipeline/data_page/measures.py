"""Numbers of a single motion that tell a faulty one: how long, how fast, how upright, where its floor is."""

import numpy as np
from numpy.typing import NDArray

from hero_core.motion.format import FPS
from hero_core.motion.humanml3d import vectors_to_joints
from hero_core.motion.physics import SHORTEST_FRAMES, physics
from hero_core.motion.plausible import feet_height_m, head_height_m, root_speed
from hero_core.view.document import Metric

UNUSUAL = Metric("unusual", "unusual", digits=1)
"""The largest :func:`pipeline.data_page.outliers.modified_z` of the others."""

MEASURES = (
    Metric("seconds", "long", "s"),
    Metric("longer", "longer than its video", "s"),
    Metric("speed", "pelvis speed", "m/s", digits=2),
    Metric("head", "head above pelvis", "cm", digits=0, higher_is_better=True),
    Metric("floor", "lowest foot", "cm"),
    Metric("sliding", "foot slide", "cm/s"),
    Metric("jerk", "peak jerk", "m/s³", digits=0),
)

EXPLAINED = {
    "seconds": "frames / 20",
    "longer": "length minus the video's; negative where the video is longer",
    "speed": "exceeded in 5 % of the frames",
    "head": "in the middle frame; negative is upside down",
    "floor": "in the lowest tenth of the frames; 0 is the floor",
    "sliding": "mean speed of feet that touch the floor",
    "jerk": "the largest of all joints and frames; a jump between two frames shows here",
}
"""What each measure is, in a few words."""


def measure(vectors: NDArray[np.float32]) -> dict[str, float]:
    """The numbers of one motion ``(n, 263)`` by the names of :data:`MEASURES`; what is not known is left out.

    How much longer it is than its video is for the caller to add: a motion may answer several.
    """
    joints = vectors_to_joints(vectors)  # (n, 22, 3)
    numbers = {
        "seconds": len(vectors) / FPS,
        "head": 100 * head_height_m(joints),
        "floor": 100 * feet_height_m(joints),
    }
    if len(vectors) >= SHORTEST_FRAMES:
        found = physics(vectors)
        numbers |= {
            "speed": root_speed(joints),
            "sliding": 100 * found.skating_m_s,
            "jerk": found.peak_jerk_m_s3,
        }
    return {name: value for name, value in numbers.items() if np.isfinite(value)}


def sampled_video_seconds(timestamps_seconds: NDArray[np.float64]) -> float:
    """How long a video is whose frames were sampled at the middles of equal parts, ``(t,)``; to about two frames.

    The first middle is as far from the beginning as the last one is from the end.
    """
    return float(timestamps_seconds[0] + timestamps_seconds[-1])
