"""The numbers that the motion format fixes, each in this one place (paper, section 4; HumanML3D)."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

FPS = 20
"""Frames per second of every motion vector."""

JOINT_COUNT = 22
"""Joints of HumanML3D's skeleton."""

MOTION_DIM = 263
"""Values per frame of a HumanML3D vector."""

MAX_FRAMES = 200
"""Frames of the longest motion: 10 s."""

FRAMES_PER_TOKEN = 4
"""Frames that one motion token stands for; also the evaluator's unit."""


Frames = TypeVar("Frames", int, NDArray[np.int64])


def whole_tokens(frames: Frames) -> Frames:
    """The most frames, of ``frames``, that make whole tokens; a number, or each of an array."""
    whole: Frames = frames // FRAMES_PER_TOKEN * FRAMES_PER_TOKEN
    return whole
