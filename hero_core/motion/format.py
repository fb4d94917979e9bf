"""The numbers that the motion format fixes, each in this one place (paper, section 4; HumanML3D)."""

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


def whole_tokens(frames: int) -> int:
    """The most frames, of ``frames``, that make whole tokens."""
    return frames // FRAMES_PER_TOKEN * FRAMES_PER_TOKEN
