"""Rotations as unit quaternions (w, x, y, z), matrices and 6D, all vectorised over leading dimensions.

Every function computes in float64 and broadcasts. Vectors are columns: a matrix m turns v into m @ v, and
`multiply(a, b)` is the rotation that applies b first. Conversions are scipy's.
"""

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]

IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])
IDENTITY.setflags(write=False)

_TINY = 1e-12  # lengths below this have no direction
_OPPOSITE = 1e-7  # |half-way vector| / 2 below which two unit vectors count as opposite


def norm(vectors: ArrayLike) -> Array:
    """Euclidean length over the last axis, which is kept: (..., d) -> (..., 1)."""
    values = np.asarray(vectors, np.float64)
    squares: Array = np.sum(values * values, axis=-1, keepdims=True)
    return np.sqrt(squares)


def unit(vectors: ArrayLike, fallback: ArrayLike | None = None) -> Array:
    """Vectors (..., d) scaled to length 1. Those without a direction become `fallback` (zero by default)."""
    values = np.asarray(vectors, np.float64)
    length = norm(values)
    scaled = values / np.maximum(length, _TINY)
    return np.where(length > _TINY, scaled, 0.0 if fallback is None else np.asarray(fallback, np.float64))


def multiply(a: ArrayLike, b: ArrayLike) -> Array:
    """Hamilton product of quaternions (..., 4): first b, then a."""
    aw, ax, ay, az = np.moveaxis(np.asarray(a, np.float64), -1, 0)
    bw, bx, by, bz = np.moveaxis(np.asarray(b, np.float64), -1, 0)
    product: Array = np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )
    return product


def conjugate(quaternions: ArrayLike) -> Array:
    """The inverse of unit quaternions (..., 4)."""
    inverse: Array = np.asarray(quaternions, np.float64) * np.array([1.0, -1.0, -1.0, -1.0])
    return inverse


def rotate(quaternions: ArrayLike, vectors: ArrayLike) -> Array:
    """Unit quaternions (..., 4) applied to vectors (..., 3)."""
    q = np.asarray(quaternions, np.float64)
    v = np.asarray(vectors, np.float64)
    axis = q[..., 1:]
    twice_cross = 2.0 * np.cross(axis, v)
    return v + q[..., :1] * twice_cross + np.cross(axis, twice_cross)


def between(u: ArrayLike, v: ArrayLike) -> Array:
    """The shortest rotation (..., 4) that takes the directions u (..., 3) onto v (..., 3).

    Opposite directions have no single shortest rotation; a half turn is returned, about the Y axis where u is
    horizontal, so that a heading of exactly -Z gives a pure yaw and never NaN. A vector without a direction
    gives the identity.
    """
    start, goal = np.broadcast_arrays(unit(u), unit(v))
    dot = np.sum(start * goal, axis=-1, keepdims=True)
    shortest = unit(np.concatenate([1.0 + dot, np.cross(start, goal)], axis=-1), fallback=IDENTITY)
    half_turn = np.concatenate([np.zeros_like(dot), _perpendicular(start)], axis=-1)
    has_direction = (norm(start) > 0.5) & (norm(goal) > 0.5)
    opposite = has_direction & (norm(start + goal) < 2.0 * _OPPOSITE)
    return np.where(opposite, half_turn, np.where(has_direction, shortest, IDENTITY))


def _perpendicular(vectors: Array) -> Array:
    """A unit vector at a right angle to each unit vector (..., 3): the Y axis made orthogonal, or else Z."""
    y_axis, z_axis = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    other = np.where(np.abs(vectors[..., 1:2]) < 0.9, y_axis, z_axis)
    return unit(other - vectors * np.sum(other * vectors, axis=-1, keepdims=True))


def from_axis_angle(rotation_vectors: ArrayLike) -> Array:
    """Rotation vectors (..., 3), axis times angle in radians (SMPL's pose), to quaternions (..., 4)."""
    vectors = np.asarray(rotation_vectors, np.float64)
    return _from_scipy(Rotation.from_rotvec(vectors.reshape(-1, 3)), vectors.shape[:-1])


def to_axis_angle(quaternions: ArrayLike) -> Array:
    """Unit quaternions (..., 4) to rotation vectors (..., 3) with angles in [0, pi]."""
    q = np.asarray(quaternions, np.float64)
    return np.asarray(_to_scipy(q).as_rotvec()).reshape(*q.shape[:-1], 3)


def to_matrix(quaternions: ArrayLike) -> Array:
    """Unit quaternions (..., 4) to rotation matrices (..., 3, 3)."""
    q = np.asarray(quaternions, np.float64)
    return np.asarray(_to_scipy(q).as_matrix()).reshape(*q.shape[:-1], 3, 3)


def from_matrix(matrices: ArrayLike) -> Array:
    """Rotation matrices (..., 3, 3) to unit quaternions (..., 4)."""
    m = np.asarray(matrices, np.float64)
    return _from_scipy(Rotation.from_matrix(m.reshape(-1, 3, 3)), m.shape[:-2])


def to_zxy_degrees(quaternions: ArrayLike) -> Array:
    """Unit quaternions (..., 4) to angles (..., 3) about Z, then the turned X, then the turned Y (BVH's channels).

    X is in [-90, 90]. At either end Z and Y coincide and only their sum is known; Y then is 0.
    """
    q = np.asarray(quaternions, np.float64)
    with warnings.catch_warnings():  # scipy warns of that case; the rotation is right all the same
        warnings.filterwarnings("ignore", message="Gimbal lock")
        return np.asarray(_to_scipy(q).as_euler("ZXY", degrees=True)).reshape(*q.shape[:-1], 3)


def without_jumps(angles_degrees: ArrayLike) -> Array:
    """The same rotations by angles (n, ..., 3), such as of `to_zxy_degrees`, that go on from frame to frame.

    Angles (a, b, c) about three different axes turn like (a + 180, 180 - b, c + 180), and like any of them with
    whole turns more. Each frame gets those nearest to the frame before, so that tools may interpolate.
    """
    angles = np.array(angles_degrees, np.float64)
    for frame in range(1, len(angles)):
        before = angles[frame - 1]
        a, b, c = np.moveaxis(angles[frame], -1, 0)
        both = np.stack([angles[frame], np.stack([a + 180.0, 180.0 - b, c + 180.0], axis=-1)])  # (2, ..., 3)
        both -= 360.0 * np.round((both - before) / 360.0)
        further = np.abs(both - before).max(axis=-1, keepdims=True)  # (2, ..., 1)
        angles[frame] = np.where(further[0] <= further[1], both[0], both[1])
    return angles


def _to_scipy(quaternions: Array) -> Rotation:
    """scipy has w last, and before 1.17 one leading dimension."""
    return Rotation.from_quat(quaternions.reshape(-1, 4)[:, [1, 2, 3, 0]])


def _from_scipy(rotation: Rotation, shape: tuple[int, ...]) -> Array:
    return np.asarray(rotation.as_quat())[:, [3, 0, 1, 2]].reshape(*shape, 4)


def matrix_to_6d(matrices: ArrayLike) -> Array:
    """Rotation matrices (..., 3, 3) to 6D (..., 6): the first column, then the second (HumanML3D's order)."""
    m = np.asarray(matrices, np.float64)
    return np.concatenate([m[..., :, 0], m[..., :, 1]], axis=-1)
