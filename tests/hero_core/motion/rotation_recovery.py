"""HumanML3D's other way back to joints, from the 6D rotations: it shows that they are right."""

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from hero_core.motion import rotations as rot
from hero_core.motion.format import JOINT_COUNT
from hero_core.motion.humanml3d import ROOT_YAW_VELOCITY, ROTATIONS_6D, vectors_to_joints
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import KINEMATIC_CHAINS, TARGET_OFFSETS


def vectors_to_joints_by_rotation(vectors: ArrayLike, offsets: ArrayLike = TARGET_OFFSETS) -> Array:
    """Vectors (n, 263) to joints (n, 22, 3) of the skeleton with this rest pose (22, 3)."""
    values = np.asarray(vectors, np.float64)
    six = values[:, ROTATIONS_6D].reshape(len(values), JOINT_COUNT - 1, 6)
    x = rot.unit(six[..., :3])
    z = rot.unit(np.cross(x, six[..., 3:]))
    relative = rot.from_matrix(np.stack([x, np.cross(z, x), z], axis=-1))
    half_yaw = np.cumsum(values[:, ROOT_YAW_VELOCITY], axis=0) - values[:, ROOT_YAW_VELOCITY]
    heading = rot.from_axis_angle(
        2.0 * half_yaw * [0.0, 1.0, 0.0]
    )  # also what the first bones are relative to
    root = vectors_to_joints(values)[:, 0]
    return chain_forward_kinematics(np.concatenate([heading[:, None], relative], axis=1), root, offsets)


def chain_forward_kinematics(
    rotations: ArrayLike, root: ArrayLike, offsets: ArrayLike = TARGET_OFFSETS
) -> Array:
    """Rotation i turns the bone that ENDS at joint i, relative to the bone before it in its chain.

    Every chain, also the two arms, starts from rotation 0. Rotations (..., 22, 4), root (..., 3) -> (..., 22, 3).
    """
    local, rest = np.asarray(rotations, np.float64), np.asarray(offsets, np.float64)
    positions = {0: np.asarray(root, np.float64)}
    for chain in KINEMATIC_CHAINS:
        turned = local[..., 0, :]
        for parent, joint in pairwise(chain):
            turned = rot.multiply(turned, local[..., joint, :])
            positions[joint] = positions[parent] + rot.rotate(turned, rest[..., joint, :])
    return np.stack([positions[joint] for joint in range(JOINT_COUNT)], axis=-2)
