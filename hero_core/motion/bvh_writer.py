"""Writing HumanML3D's 22 joints as a BVH file that animation tools open."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hero_core.errors import InputError
from hero_core.motion import rotations as rot
from hero_core.motion.format import JOINT_COUNT
from hero_core.motion.humanml3d import check_joints
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import JOINT_NAMES, PARENTS, RAW_OFFSETS, bone_lengths
from hero_core.storage import write_text

_CHILDREN = tuple(
    [joint for joint in range(JOINT_COUNT) if PARENTS[joint] == parent] for parent in range(JOINT_COUNT)
)
_END_SITE_M = 0.05


class Bvh(NamedTuple):
    """The text of a BVH file, and the largest position error of its bones in metres."""

    text: str
    error_m: float


def write_bvh(path: Path, joints: ArrayLike, fps: float) -> float:
    """Write joints (n, 22, 3), metres, Y up, as BVH, atomically. Returns the largest position error in metres.

    Raises:
        InputError: see :func:`bvh_of`.
    """
    bvh = bvh_of(joints, fps, str(path))
    write_text(path, bvh.text)
    return bvh.error_m


def bvh_of(joints: ArrayLike, fps: float, name: str = "BVH") -> Bvh:
    """Joints (n, 22, 3), metres, Y up, as BVH.

    BVH bones are rigid. Where lengths are constant, and the joints around pelvis and spine3 keep their shape,
    the error is under 0.01 mm. Elsewhere each bone starts from where the one before it ended up, and points to
    where its own end should be.

    Raises:
        InputError: not (n, 22, 3), values that are not finite, or an impossible fps; says so of ``name``.
    """
    positions = check_joints(joints)
    if not (np.isfinite(fps) and fps > 0):
        raise InputError(f"{name}: frames per second must be positive, got {fps}")
    offsets = _rest_offsets(positions)
    rotations, reached = _fit(positions, offsets)
    tree = _depth_first(0)
    angles = np.unwrap(rot.to_zyx_degrees(rotations), axis=0, period=360.0)  # without jumps in time
    channels = np.concatenate([positions[:, :1], angles[:, tree]], axis=1)  # (n, 23, 3)
    lines = [
        "HIERARCHY",
        *_hierarchy(0, offsets, ""),
        "MOTION",
        f"Frames: {len(positions)}",
        f"Frame Time: {1.0 / fps:.8f}",
        *(" ".join(f"{value:.6f}" for value in frame.flat) for frame in channels),
    ]
    return Bvh("\n".join(lines) + "\n", float(rot.norm(reached - positions).max()))


def _rest_offsets(positions: Array) -> Array:
    """A rest pose (22, 3) like HumanML3D's, with this body's bone lengths and its shape around pelvis and spine3."""
    lengths = np.median(bone_lengths(positions), axis=0)[:, None]  # (21, 1)
    offsets = np.concatenate([np.zeros((1, 3)), RAW_OFFSETS[1:] * lengths])
    for joint, children in enumerate(_CHILDREN):
        if len(children) > 1:
            around = positions[:, children] - positions[:, joint : joint + 1]  # (n, children, 3)
            turned = rot.rotate(rot.conjugate(_best_rotation(offsets[children], around))[:, None], around)
            mean_shape = turned.mean(axis=0)
            offsets[children] = rot.unit(mean_shape) * rot.norm(offsets[children])
    return offsets


def _fit(positions: Array, offsets: Array) -> tuple[Array, Array]:
    """Local rotations (n, 22, 4) that pose the rest pose like the joints, and where its joints then are."""
    turned = np.tile(rot.IDENTITY, (len(positions), JOINT_COUNT, 1))  # global rotations
    local = turned.copy()
    reached = positions.copy()
    for joint, children in enumerate(_CHILDREN):
        above = turned[:, PARENTS[joint]] if joint else turned[:, 0].copy()
        around = positions[:, children] - reached[:, joint : joint + 1]
        if len(children) == 1:  # the shortest swing from the parent's frame: no twist about the bone
            swing = rot.between(offsets[children[0]], rot.rotate(rot.conjugate(above), around[:, 0]))
            turned[:, joint] = rot.multiply(above, swing)
        else:
            turned[:, joint] = _best_rotation(offsets[children], around) if children else above
        local[:, joint] = rot.multiply(rot.conjugate(above), turned[:, joint])
        for child in children:
            reached[:, child] = reached[:, joint] + rot.rotate(turned[:, joint], offsets[child])
    return local, reached


def _best_rotation(rest: Array, around: Array) -> Array:
    """The rotations (n, 4) that bring vectors `rest` (k, 3) closest to `around` (n, k, 3) (Kabsch, 1976)."""
    u, _, vt = np.linalg.svd(np.einsum("nki,kj->nij", around, rest))
    u[:, :, 2] *= np.linalg.det(u @ vt)[:, None]  # a rotation, not a mirror image
    return rot.from_matrix(u @ vt)


def _depth_first(joint: int) -> list[int]:
    return [joint, *(below for child in _CHILDREN[joint] for below in _depth_first(child))]


def _hierarchy(joint: int, offsets: Array, indent: str) -> list[str]:
    """The lines of a joint and all below it."""
    inner = indent + "  "
    positions = "6 Xposition Yposition Zposition" if joint == 0 else "3"
    lines = [
        f"{indent}{'ROOT' if joint == 0 else 'JOINT'} {JOINT_NAMES[joint]}",
        f"{indent}{{",
        f"{inner}OFFSET {_numbers(offsets[joint])}",
        f"{inner}CHANNELS {positions} Zrotation Yrotation Xrotation",
    ]
    for child in _CHILDREN[joint]:
        lines += _hierarchy(child, offsets, inner)
    if not _CHILDREN[joint]:
        end = _numbers(RAW_OFFSETS[joint] * _END_SITE_M)
        lines += [f"{inner}End Site", f"{inner}{{", f"{inner}  OFFSET {end}", f"{inner}}}"]
    return [*lines, f"{indent}}}"]


def _numbers(vector: Array) -> str:
    return " ".join(f"{value:.6f}" for value in vector)
