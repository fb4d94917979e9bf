"""Motions that are hard to export: long turns, backs, mirror images, any angles, bones that stretch."""

from collections.abc import Callable

import numpy as np

from hero_core.motion import rotations as rot
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import JOINT_NAMES

MakeMotion = Callable[..., Array]

_SIDES = {"left": "right", "right": "left"}
_OTHER_SIDE = [
    JOINT_NAMES.index("_".join(_SIDES.get(word, word) for word in name.split("_"))) for name in JOINT_NAMES
]


def mirrored(joints: Array) -> Array:
    """What a mirror shows: left is right."""
    return joints[:, _OTHER_SIDE] * [-1.0, 1.0, 1.0]


def rigid_motions(make_motion: MakeMotion) -> dict[str, Array]:
    """By what is hard about them."""
    half_turn = rot.from_axis_angle([0.0, np.pi, 0.0])
    calm = make_motion(seed=1)
    return {
        "calm": calm,
        "backwards": rot.rotate(half_turn, calm),
        "five turns to the left": make_motion(frames=120, seed=2, turn=10.0 * np.pi),
        "five turns to the right": make_motion(frames=120, seed=2, turn=-10.0 * np.pi),
        "mirrored": mirrored(make_motion(seed=3, turn=7.0, sway=0.8)),
        "joints at any angle": make_motion(seed=4, turn=7.0, sway=np.pi),
        "head over heels": rot.rotate(
            rot.from_axis_angle(np.linspace(0.0, 13.0, 60)[:, None, None] * [1.0, 0.0, 0.0]), calm
        ),
        "one frame": calm[:1],
    }


def stretched(joints: Array, sigma_m: float = 0.01, seed: int = 0) -> Array:
    """Joints that do not keep their distances, as generated ones."""
    return joints + np.random.default_rng(seed).normal(scale=sigma_m, size=joints.shape)
