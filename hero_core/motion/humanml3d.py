"""HumanML3D's 263 numbers per frame, to and from joint positions (Guo et al., CVPR 2022).

N positions give N - 1 vectors, because velocities need a next frame. A vector holds, in this order:

| slice | width | what |
|---|---|---|
| ROOT_YAW_VELOCITY | 1 | HALF the heading's change to the next frame, radians |
| ROOT_XZ_VELOCITY | 2 | the pelvis' displacement to the next frame, seen from that frame's heading |
| ROOT_HEIGHT | 1 | of the pelvis, metres |
| LOCAL_POSITIONS | 21 x 3 | joints; x and z relative to the pelvis and turned to the heading, y absolute |
| ROTATIONS_6D | 21 x 6 | of the bone that ends at each joint, relative to the bone before it in its chain |
| VELOCITIES | 22 x 3 | displacements to the next frame, seen from this frame's heading |
| CONTACTS | 4 | left ankle, left toe, right ankle, right toe: 1 where the foot stands still |
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d

from hero_core.errors import InputError
from hero_core.motion import rotations as rot
from hero_core.motion.format import JOINT_COUNT, MOTION_DIM
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import (
    KINEMATIC_CHAINS,
    RAW_OFFSETS,
    bones,
)

ROOT_YAW_VELOCITY = slice(0, 1)
ROOT_XZ_VELOCITY = slice(1, 3)
ROOT_HEIGHT = slice(3, 4)
LOCAL_POSITIONS = slice(4, 67)
ROTATIONS_6D = slice(67, 193)
VELOCITIES = slice(193, 259)
CONTACTS = slice(259, MOTION_DIM)

FEET = (7, 10, 8, 11)  # the joints of CONTACTS
STANDING_M2 = 0.002  # squared displacement in one frame below which a foot counts as standing

_UP = np.array([0.0, 1.0, 0.0])
_HORIZONTAL = 1.0 - _UP
_AHEAD = np.array([0.0, 0.0, 1.0])
_HEADING_SIGMA_FRAMES = 20

# The joint before each joint in its chain; 0, the heading, before the first bone of each chain.
_PREVIOUS = np.zeros(JOINT_COUNT, np.int64)
for _chain in KINEMATIC_CHAINS:
    _PREVIOUS[list(_chain[2:])] = _chain[1:-1]
_PREVIOUS.setflags(write=False)


def check_joints(joints: ArrayLike) -> Array:
    """Joint positions as float64 (n, 22, 3).

    Raises:
        InputError: another shape, no frames, or values that are not finite.
    """
    positions = np.asarray(joints, np.float64)
    if positions.ndim != 3 or positions.shape[1:] != (JOINT_COUNT, 3) or len(positions) == 0:
        raise InputError(f"expected joint positions (frames, {JOINT_COUNT}, 3), got {positions.shape}")
    if not np.isfinite(positions).all():
        raise InputError("joint positions hold NaN or infinite values")
    return positions


def joints_to_vectors(joints: ArrayLike, official: bool = False) -> NDArray[np.float32]:
    """Joint positions (n, 22, 3), metres, Y up, 20 fps, to HumanML3D vectors (n - 1, 263).

    The published vectors are made from canonical motions (see `canonical.canonicalise`). Any other motion
    works too; `vectors_to_joints` then gives it back with the pelvis starting at x = z = 0.

    official: reproduce the published code where the heading crosses 180 degrees. There it takes the
    quaternion of the turn with the wrong sign, so the vectors no longer lead back to the joints (they drift by
    up to 0.2 m on real clips). By default the sign is right; nothing else differs.

    Raises:
        InputError: not (n, 22, 3), fewer than two frames, or values that are not finite.
    """
    positions = check_joints(joints)
    if len(positions) < 2:
        raise InputError("a motion needs at least two frames, for its velocities")
    heading = _headings(positions)  # (n, 4)
    step = np.diff(positions, axis=0)  # (n - 1, 22, 3)
    now, following = heading[:-1], heading[1:]

    turn = rot.multiply(following, rot.conjugate(now))
    half_yaw = np.arcsin(np.clip(turn[:, 2:3], -1.0, 1.0)) if official else _half_yaw(turn)
    root_step = rot.rotate(following, step[:, 0])[:, [0, 2]]
    centred = positions - positions[:, :1] * _HORIZONTAL
    local = rot.rotate(heading[:, None], centred)[:-1, 1:]  # (n - 1, 21, 3)
    velocities = rot.rotate(now[:, None], step)
    standing = np.sum(step[:, FEET] ** 2, axis=-1) < STANDING_M2

    vectors = np.empty((len(step), MOTION_DIM), np.float32)
    vectors[:, ROOT_YAW_VELOCITY] = half_yaw
    vectors[:, ROOT_XZ_VELOCITY] = root_step
    vectors[:, ROOT_HEIGHT] = positions[:-1, 0, 1:2]
    vectors[:, LOCAL_POSITIONS] = _flat(local)
    vectors[:, ROTATIONS_6D] = _flat(_bone_rotations(positions, heading)[:-1])
    vectors[:, VELOCITIES] = _flat(velocities)
    vectors[:, CONTACTS] = standing
    return vectors


def vectors_to_joints(vectors: ArrayLike) -> Array:
    """HumanML3D vectors (..., n, 263) to joint positions (..., n, 22, 3), from the local positions."""
    values = _check_vectors(vectors)
    heading, root = _root_trajectory(values)  # (..., n, 4), (..., n, 3)
    local = values[..., LOCAL_POSITIONS].reshape(*values.shape[:-1], JOINT_COUNT - 1, 3)
    others = rot.rotate(rot.conjugate(heading)[..., None, :], local)
    others += (root * _HORIZONTAL)[..., None, :]
    return np.concatenate([root[..., None, :], others], axis=-2)


def _check_vectors(vectors: ArrayLike) -> Array:
    values = np.asarray(vectors, np.float64)
    if values.ndim < 2 or values.shape[-1] != MOTION_DIM:
        raise InputError(f"expected HumanML3D vectors (..., frames, {MOTION_DIM}), got {values.shape}")
    return values


def _headings(positions: Array) -> Array:
    """The rotation (n, 4) that turns each frame's smoothed heading to +Z; the first one is the identity.

    The hips' difference is taken right to left and the shoulders' left to right, so that they partly cancel.
    That is a slip of the published code which all published vectors share.
    """
    across = rot.unit((positions[:, 1] - positions[:, 2]) + (positions[:, 17] - positions[:, 16]))
    forward = gaussian_filter1d(np.cross(_UP, across), _HEADING_SIGMA_FRAMES, axis=0, mode="nearest")
    heading = rot.between(forward, _AHEAD)
    heading[0] = rot.IDENTITY
    return heading


def _half_yaw(turn: Array) -> Array:
    """Half the angle (n, 1), in [-pi/2, pi/2], of turns about Y (n, 4).

    q and -q turn alike, but only with w >= 0 does y hold the sine of the half angle that is meant.
    """
    positive = np.where(turn[:, :1] < 0.0, -turn, turn)
    return np.arctan2(positive[:, 2:3], positive[:, :1])


def _bone_rotations(positions: Array, heading: Array) -> Array:
    """6D rotations (n, 21, 6) of each bone relative to the one before it in its chain."""
    absolute = rot.between(RAW_OFFSETS[1:], rot.unit(bones(positions)))
    absolute = np.concatenate([heading[:, None], absolute], axis=1)  # (n, 22, 4)
    relative = rot.multiply(rot.conjugate(absolute[:, _PREVIOUS[1:]]), absolute[:, 1:])
    return rot.matrix_to_6d(rot.to_matrix(relative))


def _root_trajectory(vectors: Array) -> tuple[Array, Array]:
    """Each frame's rotation to +Z (..., n, 4) and pelvis (..., n, 3), summed up from the velocities."""
    half_yaw = _sum_before(vectors[..., ROOT_YAW_VELOCITY])
    zero = np.zeros_like(half_yaw)
    heading = np.concatenate([np.cos(half_yaw), zero, np.sin(half_yaw), zero], axis=-1)
    step = np.zeros((*vectors.shape[:-1], 3))
    step[..., 1:, [0, 2]] = vectors[..., :-1, ROOT_XZ_VELOCITY]
    root = np.cumsum(rot.rotate(rot.conjugate(heading), step), axis=-2)
    root[..., 1:2] = vectors[..., ROOT_HEIGHT]
    return heading, root


def _sum_before(values: Array) -> Array:
    """Sum over the frames before each one (..., n, d); zero for the first."""
    total = np.cumsum(values, axis=-2)
    return total - values


def _flat(values: Array) -> Array:
    """(n, joints, d) -> (n, joints * d)."""
    return values.reshape(len(values), -1)
