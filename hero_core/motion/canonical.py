"""From joints as captured to HumanML3D's canonical form: 20 fps, one skeleton, on the floor, starting at the
origin, facing +Z. Joints are (n, 22, 3), Y up, float64 inside.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from hero_core.errors import InputError
from hero_core.motion import rotations as rot
from hero_core.motion.format import FPS
from hero_core.motion.humanml3d import check_joints
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import JOINT_NAMES, PARENTS, TARGET_OFFSETS, bone_lengths, bones

SHORTEST_BONE = 1e-3  # of the pelvis-to-ankle length; shorter bones have no reliable direction

_UP = np.array([0.0, 1.0, 0.0])
_HORIZONTAL = 1.0 - _UP
_AHEAD = np.array([0.0, 0.0, 1.0])
_LEG = (5, 8)  # the bones that HumanML3D measures a body's size by: right thigh and shin


def canonicalise(joints: ArrayLike, target_offsets: ArrayLike = TARGET_OFFSETS) -> Array:
    """Joints (n, 22, 3) at 20 fps, of any size and anywhere, to canonical ones (n, 22, 3).

    target_offsets (22, 3): the skeleton to retarget to.

    Raises:
        InputError: not (n, 22, 3), values that are not finite, or bones without length.
    """
    return face_z_plus(to_origin(to_floor(retarget(joints, target_offsets))))


def resample(joints: ArrayLike, fps: float) -> Array:
    """Joints (n, 22, 3) at `fps` as (m, 22, 3) at 20 fps, over the same time.

    Where the rates divide, every k-th frame is taken. Otherwise the pelvis and the bones' lengths go in a
    straight line between two frames and the bones' directions on an arc, so that a rigid body stays rigid.
    """
    positions = check_joints(joints)
    if not (np.isfinite(fps) and fps > 0):
        raise InputError(f"frame rates must be positive, got {fps} fps")
    count = resampled_count(len(positions), fps)
    times = np.minimum(np.arange(count) * _ratio(fps), len(positions) - 1)  # in source frames
    before = np.floor(times + 1e-6).astype(np.int64)
    fraction = np.clip(times - before, 0.0, 1.0)
    start: Array = positions[before]
    if np.all(fraction < 1e-6):
        return start
    return _interpolate(start, positions[np.minimum(before + 1, len(positions) - 1)], fraction)


def resampled_count(count: int, fps: float) -> int:
    """How many frames `resample` makes of `count`."""
    return math.floor((count - 1) / _ratio(fps) + 1e-6) + 1


def _ratio(fps: float) -> float:
    """Source frames in a target frame. Rates are stated with rounding, so a ratio close to a whole one is whole."""
    ratio = fps / FPS
    whole = round(ratio)
    return float(whole) if abs(ratio - whole) < 1e-4 * ratio else ratio


def _interpolate(start: Array, end: Array, fraction: Array) -> Array:
    """Between two poses (m, 22, 3), `fraction` (m,) of the way."""
    portion = fraction[:, None, None]
    lengths = (1 - portion) * rot.norm(bones(start)) + portion * rot.norm(bones(end))
    directions = rot.unit(bones(start))
    step = rot.to_axis_angle(rot.between(directions, bones(end)))
    turned = rot.rotate(rot.from_axis_angle(step * portion), directions)
    root = (1 - portion[:, 0]) * start[:, 0] + portion[:, 0] * end[:, 0]
    return _assemble(root, turned * lengths)


def retarget(joints: ArrayLike, target_offsets: ArrayLike = TARGET_OFFSETS) -> Array:
    """The same bone directions on other bone lengths; the path is scaled by how much longer the leg gets.

    What HumanML3D's inverse and forward kinematics amount to, without their rounding.

    Raises:
        InputError: a bone has no length in some frame, so its direction is unknown.
    """
    positions = check_joints(joints)
    check_bones(positions)
    target = rot.norm(target_offsets)[1:]  # (21, 1)
    source = rot.norm(bones(positions[0]))
    leg = [joint - 1 for joint in _LEG]
    scale = target[leg].sum() / source[leg].sum()
    return _assemble(positions[:, 0] * scale, rot.unit(bones(positions)) * target)


def check_bones(joints: Array) -> None:
    """Refuse a motion with a bone that has no length in some frame.

    Raises:
        InputError: naming the first such bone.
    """
    lengths = bone_lengths(joints)  # (n, 21)
    leg = lengths[:, _LEG[0] - 1] + lengths[:, _LEG[1] - 1]
    bad = np.argwhere(lengths <= SHORTEST_BONE * np.median(leg))
    if len(bad):
        frame, bone = bad[0]
        parent = JOINT_NAMES[PARENTS[bone + 1]]
        raise InputError(
            f"zero-length bone: {parent} and {JOINT_NAMES[bone + 1]} coincide in frame {frame}; "
            "give every joint a place of its own"
        )


def _assemble(root: Array, bone_vectors: Array) -> Array:
    """Root (n, 3) and bone vectors (n, 21, 3) to joints (n, 22, 3)."""
    joints = [root]
    for joint, parent in enumerate(PARENTS[1:], start=1):
        joints.append(joints[parent] + bone_vectors[:, joint - 1])
    return np.stack(joints, axis=1)


def to_floor(joints: ArrayLike) -> Array:
    """Shift the motion up or down so that its lowest joint over all frames is at height 0."""
    positions = check_joints(joints)
    shifted: Array = positions - positions[..., 1].min() * _UP
    return shifted


def to_origin(joints: ArrayLike) -> Array:
    """Shift the motion so that the pelvis starts at x = z = 0."""
    positions = check_joints(joints)
    shifted: Array = positions - positions[0, 0] * _HORIZONTAL
    return shifted


def face_z_plus(joints: ArrayLike) -> Array:
    """Turn the motion about the Y axis so that the body faces +Z in the first frame."""
    positions = check_joints(joints)
    return rot.rotate(rot.between(facing(positions[0]), _AHEAD), positions)


def facing(joints: ArrayLike) -> Array:
    """Horizontal unit vector (..., 3) that hips and shoulders of (..., 22, 3) face; +Z where it is undefined."""
    p = np.asarray(joints, np.float64)
    across = (p[..., 2, :] - p[..., 1, :]) + (p[..., 17, :] - p[..., 16, :])
    return rot.unit(np.cross(_UP, rot.unit(across)), fallback=_AHEAD)
