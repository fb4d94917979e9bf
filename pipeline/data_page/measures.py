"""Numbers of a single motion that tell a faulty one: how long, how fast, how upright, where its floor is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hero_core.motion.format import FPS
from hero_core.motion.humanml3d import vectors_to_joints
from hero_core.motion.physics import SHORTEST_FRAMES, physics
from hero_core.motion.plausible import feet_height_m, head_height_m, root_speed
from hero_core.view.document import Metric

UNUSUAL = Metric("unusual", "unusual", digits=1)
"""The largest distance of :func:`pipeline.data_page.outliers.distances` over all measures."""


@dataclass(frozen=True)
class Measure:
    """A number of every motion.

    Attributes:
        metric: what it is called, and its unit.
        matters: the least difference that says something, in its unit.
        explained: what it is, in a few words.
    """

    metric: Metric
    matters: float
    explained: str

    @property
    def name(self) -> str:
        """Among the numbers of a motion."""
        return self.metric.name

    @property
    def label(self) -> str:
        """What it is called, with its unit."""
        return f"{self.metric.label} ({self.metric.unit})"

    def text(self, value: float) -> str:
        """A value in words, without its unit; nothing is negative by rounding alone."""
        return f"{self.rounded(value):.{self.metric.digits}f}"

    def rounded(self, value: float) -> float:
        """A value to as many digits as are shown."""
        return round(value, self.metric.digits) + 0.0  # which turns -0.0 into 0.0


MEASURES = (
    Measure(Metric("seconds", "long", "s"), 0.5, "frames / 20"),
    Measure(
        Metric("longer", "past its video", "s"), 0.1, "length minus the video's; negative if that is longer"
    ),
    Measure(Metric("speed", "pelvis speed", "m/s", digits=2), 0.1, "exceeded in 5 % of the frames"),
    Measure(
        Metric("head", "head", "cm", digits=0, higher_is_better=True),
        2.0,
        "above the pelvis in the middle frame; negative is upside down",
    ),
    Measure(Metric("floor", "lowest foot", "cm"), 1.0, "in the lowest tenth of the frames; 0 is the floor"),
    Measure(Metric("sliding", "foot slide", "cm/s"), 2.0, "mean speed of feet that touch the floor"),
    Measure(
        Metric("jerk", "jerk", "m/s³", digits=0),
        200.0,
        "the largest of all joints and frames; a jump between two frames shows here",
    ),
)


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
