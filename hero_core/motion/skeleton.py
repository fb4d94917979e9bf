"""The 22-joint skeleton of HumanML3D (SMPL's body without hands): names, tree, rest pose, kinematics.

Space: metres, Y up; at rest the body faces +Z and its left side is at +X.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from hero_core.choices import Unit
from hero_core.motion.rotations import Array, from_axis_angle, multiply, norm, rotate

METRES: dict[Unit, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254}
Z_UP_TO_Y_UP = from_axis_angle([-np.pi / 2, 0.0, 0.0])

# fmt: off
JOINT_NAMES = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle",
    "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
# fmt: on

# HumanML3D's five chains; the two arms start at spine3 (9).
KINEMATIC_CHAINS = (
    (0, 2, 5, 8, 11),
    (0, 1, 4, 7, 10),
    (0, 3, 6, 9, 12, 15),
    (9, 14, 17, 19, 21),
    (9, 13, 16, 18, 20),
)


def _constant(values: ArrayLike) -> Array:
    array = np.array(values, np.float64)
    array.setflags(write=False)
    return array


_UP, _DOWN, _LEFT, _RIGHT, _AHEAD = (0, 1, 0), (0, -1, 0), (1, 0, 0), (-1, 0, 0), (0, 0, 1)

# The direction of the bone that ends at each joint, in HumanML3D's rest pose.
# fmt: off
RAW_OFFSETS = _constant([
    (0, 0, 0), _LEFT, _RIGHT, _UP, _DOWN, _DOWN, _UP, _DOWN, _DOWN, _UP, _AHEAD,
    _AHEAD, _UP, _LEFT, _RIGHT, _AHEAD, _DOWN, _DOWN, _DOWN, _DOWN, _DOWN, _DOWN,
])  # (22, 3)

# Bone lengths of HumanML3D's target skeleton, in metres, by the joint at the bone's end.
_TARGET_LENGTHS_M = _constant([
    0.0, 0.1030740, 0.1098833, 0.1315682, 0.3936231, 0.3901881, 0.1431903, 0.4324330, 0.4256433, 0.0573647,
    0.1433817, 0.1494187, 0.2193600, 0.1374868, 0.1433828, 0.1030393, 0.1316140, 0.1229843, 0.2568398,
    0.2630919, 0.2660119, 0.2698763,
])  # (22,)
# fmt: on

TARGET_OFFSETS = _constant(RAW_OFFSETS * _TARGET_LENGTHS_M[:, None])  # (22, 3)


def bones(joints: ArrayLike) -> Array:
    """Vectors from each joint's parent to the joint: (..., 22, 3) -> (..., 21, 3)."""
    positions = np.asarray(joints, np.float64)
    return positions[..., 1:, :] - positions[..., PARENTS[1:], :]


def bone_lengths(joints: ArrayLike) -> Array:
    """Lengths of the bones that end at joints 1..21: (..., 22, 3) -> (..., 21)."""
    return norm(bones(joints))[..., 0]


def forward_kinematics(
    rotations: ArrayLike, root: ArrayLike, offsets: ArrayLike, parents: Sequence[int] = PARENTS
) -> Array:
    """Joint positions of a posed skeleton, in the convention of SMPL and BVH.

    rotations (..., j, 4): quaternions (w, x, y, z) LOCAL TO THE PARENT. Rotation i turns everything below
    joint i; the one of a leaf has no effect. Identities everywhere give the rest pose.
    root (..., 3): position of joint 0. offsets (j, 3) or (..., j, 3): joint minus parent in the rest pose,
    such as TARGET_OFFSETS; offset 0 is not used. parents: index of each joint's parent, always before it.

    Returns (..., j, 3).
    """
    local = np.asarray(rotations, np.float64)
    rest = np.asarray(offsets, np.float64)
    turned = [local[..., 0, :]]  # global rotation of each joint
    positions = [np.asarray(root, np.float64)]
    for joint in range(1, len(parents)):
        parent = parents[joint]
        positions.append(positions[parent] + rotate(turned[parent], rest[..., joint, :]))
        turned.append(multiply(turned[parent], local[..., joint, :]))
    return np.stack(np.broadcast_arrays(*positions), axis=-2)
