"""Rotations of a rigid skeleton that stands in a T-pose at rest, from the places of its 22 joints.

Joints say where a bone points and not how it is turned about itself. That twist is taken as none: each bone
swings the shortest way from the frame of the bone before it. Only pelvis and spine3, which several bones leave,
have all three angles from the joints. A leaf (head, hands, toes) keeps the frame of its parent.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hero_core.motion import rotations as rot
from hero_core.motion.format import JOINT_COUNT
from hero_core.motion.humanml3d import check_joints
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import PARENTS, bone_lengths

EXACT_M = 1e-3
"""Distance between a joint and where a file has it, up to which the file counts as exact: a millimetre."""

CHILDREN = tuple(
    tuple(joint for joint in range(JOINT_COUNT) if PARENTS[joint] == parent) for parent in range(JOINT_COUNT)
)

# Where the bone that ends at each joint points in a T-pose, in round numbers: a person who stands upright,
# arms stretched out to the sides, and faces +Z.
# fmt: off
_T_POSE = rot.unit([
    (0, 0, 0), (0.6, -0.8, 0), (-0.6, -0.8, 0), (0, 1, -0.2), (0, -1, 0), (0, -1, 0), (0, 1, 0), (0, -1, 0),
    (0, -1, 0), (0, 0.9, 0.4), (0.1, -0.4, 0.9), (-0.1, -0.4, 0.9), (0, 1, -0.2), (0.5, 0.8, -0.2),
    (-0.5, 0.8, -0.2), (0, 0.8, 0.6), (1, 0.3, -0.1), (-1, 0.3, -0.1), (1, 0, 0), (-1, 0, 0), (1, 0, 0), (-1, 0, 0),
])  # (22, 3)
# fmt: on


@dataclass(frozen=True)
class Fit:
    """A skeleton, its rotations, and where its joints then are.

    Attributes:
        offsets: ``(22, 3)`` rest pose: each joint relative to its parent, in metres.
        rotations: ``(n, 22, 4)`` quaternions local to the parent, of one sign along time.
        translations: ``(n, 22, 3)`` of each joint in the frame of its parent: the offset where bones are rigid. The
            root's is its place.
        error_m: the largest distance of a joint from where it should be.
    """

    offsets: Array
    rotations: Array
    translations: Array
    error_m: float


def fit(joints: ArrayLike, offsets: ArrayLike | None = None) -> Fit:
    """Pose a rigid skeleton like joints (n, 22, 3) in metres, Y up.

    Each bone starts from where the one before it ended up, and points to where its own end should be. The error
    is rounding where bones keep their lengths and the joints around pelvis and spine3 their shape.

    offsets (22, 3): the skeleton's T-pose; by default that of this body, see :func:`t_pose`.

    Raises:
        InputError: not (n, 22, 3), or values that are not finite.
    """
    positions = check_joints(joints)
    rest = t_pose(positions) if offsets is None else np.asarray(offsets, np.float64)
    rotations, reached = _pose(positions, rest, stretching=False)
    translations = np.tile(rest, (len(positions), 1, 1))
    translations[:, 0] = positions[:, 0]
    return Fit(rest, rotations, translations, float(rot.norm(reached - positions).max()))


def fit_stretching(joints: ArrayLike) -> Fit:
    """The same with bones that change their length and slide at their start, as generated ones do: exact.

    Raises:
        InputError: not (n, 22, 3), or values that are not finite.
    """
    positions = check_joints(joints)
    rest = t_pose(positions)
    rotations, _ = _pose(positions, rest, stretching=True)
    translations = np.empty_like(positions)
    translations[:, 0] = positions[:, 0]
    frames = {0: rotations[:, 0]}  # global rotations
    for joint, parent in enumerate(PARENTS[1:], start=1):
        around = positions[:, joint] - positions[:, parent]
        translations[:, joint] = rot.rotate(rot.conjugate(frames[parent]), around)
        frames[joint] = rot.multiply(frames[parent], rotations[:, joint])
    return Fit(rest, rotations, translations, 0.0)


def t_pose(joints: ArrayLike) -> Array:
    """The T-pose (22, 3) of a body: its bones' median lengths, and its shape around pelvis and spine3.

    Raises:
        InputError: not (n, 22, 3), or values that are not finite.
    """
    positions = check_joints(joints)
    lengths = np.median(bone_lengths(positions), axis=0)[:, None]  # (21, 1)
    offsets = np.concatenate([np.zeros((1, 3)), _T_POSE[1:] * lengths])
    for joint, children in enumerate(CHILDREN):
        if len(children) > 1:
            around = positions[:, children] - positions[:, joint : joint + 1]  # (n, children, 3)
            turned = rot.rotate(
                rot.conjugate(_best_rotation(offsets[list(children)], around))[:, None], around
            )
            offsets[list(children)] = rot.unit(turned.mean(axis=0)) * rot.norm(offsets[list(children)])
    return offsets


def _pose(positions: Array, offsets: Array, stretching: bool) -> tuple[Array, Array]:
    """Local rotations (n, 22, 4) that pose the rest pose like the joints, and where its joints then are."""
    turned = np.tile(rot.IDENTITY, (len(positions), JOINT_COUNT, 1))  # global rotations
    local = turned.copy()
    reached = positions.copy()
    for joint, children in enumerate(CHILDREN):
        above = turned[:, PARENTS[joint]] if joint else turned[:, 0].copy()
        around = positions[:, children] - reached[:, joint : joint + 1]
        if len(children) == 1:  # the shortest swing from the parent's frame: no twist about the bone
            swing = rot.between(offsets[children[0]], rot.rotate(rot.conjugate(above), around[:, 0]))
            turned[:, joint] = rot.multiply(above, swing)
        else:
            turned[:, joint] = _best_rotation(offsets[list(children)], around) if children else above
        local[:, joint] = rot.multiply(rot.conjugate(above), turned[:, joint])
        for child in () if stretching else children:
            reached[:, child] = reached[:, joint] + rot.rotate(turned[:, joint], offsets[child])
    return _of_one_sign(local), reached


def _best_rotation(rest: Array, around: Array) -> Array:
    """The rotations (n, 4) that bring vectors `rest` (k, 3) closest to `around` (n, k, 3) (Kabsch, 1976)."""
    u, _, vt = np.linalg.svd(np.einsum("nki,kj->nij", around, rest))
    u[:, :, 2] *= np.linalg.det(u @ vt)[:, None]  # a rotation, not a mirror image
    return rot.from_matrix(u @ vt)


def _of_one_sign(rotations: Array) -> Array:
    """q and -q turn alike; each (n, ..., 4) gets the sign that is near the frame before, for what interpolates."""
    with_previous = np.sum(rotations[1:] * rotations[:-1], axis=-1, keepdims=True)
    flips = np.cumprod(np.where(with_previous < 0.0, -1.0, 1.0), axis=0)
    return np.concatenate([rotations[:1], rotations[1:] * flips])
