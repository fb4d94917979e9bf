"""Rotations as unit quaternions (w, x, y, z), matrices and 6D, all vectorised over leading dimensions.

Every function computes in float64 and broadcasts. Vectors are columns: a matrix m turns v into m @ v, and
`multiply(a, b)` is the rotation that applies b first.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

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


def yaw(angles: ArrayLike) -> Array:
    """Turns about the vertical Y axis by `angles` (...,) radians, as quaternions (..., 4)."""
    half = np.asarray(angles, np.float64) / 2.0
    zero = np.zeros_like(half)
    return np.stack([np.cos(half), zero, np.sin(half), zero], axis=-1)


def from_axis_angle(rotation_vectors: ArrayLike) -> Array:
    """Rotation vectors (..., 3), axis times angle in radians (SMPL's pose), to quaternions (..., 4)."""
    vectors = np.asarray(rotation_vectors, np.float64)
    angle = norm(vectors)
    # sin(a/2)/a through sinc, which is exact at zero
    return np.concatenate([np.cos(angle / 2.0), 0.5 * np.sinc(angle / (2.0 * np.pi)) * vectors], axis=-1)


def to_axis_angle(quaternions: ArrayLike) -> Array:
    """Unit quaternions (..., 4) to rotation vectors (..., 3) with angles in [0, pi]."""
    q = _with_positive_w(np.asarray(quaternions, np.float64))
    length = norm(q[..., 1:])
    angle = 2.0 * np.arctan2(length, q[..., :1])
    scale = np.where(length > _TINY, angle / np.maximum(length, _TINY), 2.0)
    return scale * q[..., 1:]


def to_matrix(quaternions: ArrayLike) -> Array:
    """Unit quaternions (..., 4) to rotation matrices (..., 3, 3)."""
    q = np.asarray(quaternions, np.float64)
    columns = [rotate(q, axis) for axis in np.eye(3)]
    return np.stack(columns, axis=-1)


def from_matrix(matrices: ArrayLike) -> Array:
    """Rotation matrices (..., 3, 3) to unit quaternions (..., 4) with w >= 0.

    Four formulas exist, each exact where its own component is large; the largest component is taken.
    """
    m = np.asarray(matrices, np.float64)
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    # row i is the quaternion scaled by 4 times its own component i
    rows = np.stack(
        [
            np.stack([1.0 + xx + yy + zz, wx, wy, wz], axis=-1),
            np.stack([wx, 1.0 + xx - yy - zz, xy, xz], axis=-1),
            np.stack([wy, xy, 1.0 - xx + yy - zz, yz], axis=-1),
            np.stack([wz, xz, yz, 1.0 - xx - yy + zz], axis=-1),
        ],
        axis=-2,
    )  # (..., 4, 4)
    best = np.argmax(np.diagonal(rows, axis1=-2, axis2=-1), axis=-1)
    chosen = np.take_along_axis(rows, best[..., None, None], axis=-2)[..., 0, :]
    return _with_positive_w(unit(chosen))


def matrix_to_6d(matrices: ArrayLike) -> Array:
    """Rotation matrices (..., 3, 3) to 6D (..., 6): the first column, then the second (HumanML3D's order)."""
    m = np.asarray(matrices, np.float64)
    return np.concatenate([m[..., :, 0], m[..., :, 1]], axis=-1)


def matrix_from_6d(values: ArrayLike) -> Array:
    """6D (..., 6) to rotation matrices (..., 3, 3) by Gram-Schmidt: any two independent columns will do."""
    six = np.asarray(values, np.float64)
    x = unit(six[..., :3])
    z = unit(np.cross(x, six[..., 3:]))
    return np.stack([x, np.cross(z, x), z], axis=-1)


def slerp(start: ArrayLike, end: ArrayLike, fraction: ArrayLike) -> Array:
    """Along the shorter arc from start (..., 4), fraction 0, to end (..., 4), fraction 1; fraction (...,)."""
    a, b = np.broadcast_arrays(np.asarray(start, np.float64), np.asarray(end, np.float64))
    step = to_axis_angle(multiply(b, conjugate(a)))
    portion = np.asarray(fraction, np.float64)[..., None]
    return multiply(from_axis_angle(step * portion), a)


def _with_positive_w(quaternions: Array) -> Array:
    """q and -q are the same rotation; the one with w >= 0."""
    return np.where(quaternions[..., :1] < 0.0, -quaternions, quaternions)
