from collections.abc import Callable

import numpy as np
import pytest

from hero_core.motion import rotations as rot
from hero_core.motion.format import JOINT_COUNT
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import TARGET_OFFSETS, forward_kinematics

MakeMotion = Callable[..., Array]


@pytest.fixture(scope="session")
def make_motion() -> MakeMotion:
    """A swaying, walking body: smooth random joint angles on a path that turns by `turn` radians in all."""

    def make(frames: int = 60, seed: int = 0, turn: float = 1.0, sway: float = 0.3) -> Array:
        rng = np.random.default_rng(seed)
        time = np.arange(frames) / 20.0
        speed = rng.uniform(0.5, 4.0, (JOINT_COUNT, 3))
        phase = rng.uniform(0.0, 2.0 * np.pi, (JOINT_COUNT, 3))
        angles = sway * np.sin(time[:, None, None] * speed + phase)  # (n, 22, 3)
        rotations = rot.from_axis_angle(angles)
        heading = rot.from_axis_angle(np.linspace(0.0, turn, frames)[:, None] * [0.0, 1.0, 0.0])
        rotations[:, 0] = rot.multiply(heading, rotations[:, 0])
        root = np.stack([0.8 * np.sin(time), 0.9 + 0.05 * np.sin(5 * time), 0.7 * time], axis=-1)
        return forward_kinematics(rotations, root, TARGET_OFFSETS)

    return make
