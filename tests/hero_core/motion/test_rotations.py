import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from hero_core.motion import rotations as rot
from hero_core.motion.rotations import Array

COMPONENT = st.floats(-10.0, 10.0)
VECTORS = arrays(np.float64, (5, 3), elements=COMPONENT)


def random_quaternions(count: int = 200, seed: int = 0) -> Array:
    return rot.unit(np.random.default_rng(seed).normal(size=(count, 4)))


def as_scipy(quaternions: Array) -> Rotation:
    return Rotation.from_quat(quaternions[..., [1, 2, 3, 0]])


def test_products_rotations_and_matrices_agree_with_scipy() -> None:
    a, b = random_quaternions(seed=1), random_quaternions(seed=2)
    vectors = np.random.default_rng(3).normal(size=(200, 3))
    np.testing.assert_allclose(rot.to_matrix(a), as_scipy(a).as_matrix(), atol=1e-12)
    np.testing.assert_allclose(rot.rotate(a, vectors), as_scipy(a).apply(vectors), atol=1e-12)
    np.testing.assert_allclose(
        rot.to_matrix(rot.multiply(a, b)), (as_scipy(a) * as_scipy(b)).as_matrix(), atol=1e-12
    )
    np.testing.assert_allclose(rot.to_axis_angle(a), as_scipy(a).as_rotvec(), atol=1e-12)
    np.testing.assert_allclose(
        rot.to_matrix(rot.from_axis_angle(vectors)), Rotation.from_rotvec(vectors).as_matrix(), atol=1e-12
    )


def test_conjugate_undoes() -> None:
    q = random_quaternions()
    np.testing.assert_allclose(rot.multiply(q, rot.conjugate(q)), np.tile(rot.IDENTITY, (200, 1)), atol=1e-12)


def test_matrices_come_back() -> None:
    half_turns = np.concatenate([np.zeros((3, 1)), np.eye(3)], axis=1)
    q = np.concatenate([random_quaternions(), half_turns, rot.IDENTITY[None]])
    m = rot.to_matrix(q)
    np.testing.assert_allclose(rot.to_matrix(rot.from_matrix(m)), m, atol=1e-12)


def test_6d_is_the_first_column_then_the_second() -> None:
    assert rot.matrix_to_6d(np.arange(9.0).reshape(3, 3)).tolist() == [0, 3, 6, 1, 4, 7]


@given(VECTORS, VECTORS)
def test_between_takes_one_direction_onto_the_other(u: Array, v: Array) -> None:
    u, v = rot.unit(u), rot.unit(v)
    known = (rot.norm(u) > 0.5) & (rot.norm(v) > 0.5)
    q = rot.between(u, v)
    np.testing.assert_allclose(rot.norm(q), 1.0, atol=1e-9)
    np.testing.assert_allclose(rot.rotate(q, u), np.where(known, v, u), atol=1e-6)


@pytest.mark.parametrize("direction", [[0, 0, -1], [1, 0, 0], [0.6, 0, 0.8]])
def test_between_opposite_headings_is_a_half_turn_about_y(direction: list[float]) -> None:
    q = rot.between(direction, -np.array(direction))
    np.testing.assert_allclose(np.abs(q), [0, 0, 1, 0], atol=1e-12)


def test_between_opposite_vertical_directions() -> None:
    np.testing.assert_allclose(
        rot.rotate(rot.between([0, 1, 0], [0, -1, 0]), [0, 1, 0]), [0, -1, 0], atol=1e-12
    )


def test_a_vector_without_direction_turns_nothing() -> None:
    assert rot.between([0, 0, 0], [0, 0, 1]).tolist() == [1, 0, 0, 0]


def from_zxy_degrees(angles: Array) -> Array:
    back = rot.IDENTITY
    for axis, angle in zip([[0, 0, 1], [1, 0, 0], [0, 1, 0]], np.moveaxis(angles, -1, 0), strict=True):
        back = rot.multiply(back, rot.from_axis_angle(np.deg2rad(angle)[..., None] * axis))
    return back


def test_zxy_angles_lead_back_also_where_axes_coincide() -> None:
    locked = rot.from_axis_angle([[np.pi / 2, 0.0, 0.0], [-np.pi / 2, 0.0, 0.0]])
    q = np.concatenate(
        [random_quaternions(), locked, rot.multiply(locked, rot.from_axis_angle([0.0, 0.3, 0.0]))]
    )
    back = from_zxy_degrees(rot.to_zxy_degrees(q))
    np.testing.assert_allclose(rot.to_matrix(back), rot.to_matrix(q), atol=1e-7)


@pytest.mark.parametrize("axis", [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0.9, 0.3, 0.3], [-1, 0.05, 0.02]])
def test_angles_without_jumps_are_the_same_rotations_through_many_turns(axis: list[float]) -> None:
    turns = np.linspace(-3.0, 3.0, 600)[:, None] * 2.0 * np.pi * rot.unit(axis)
    q = np.stack([rot.from_axis_angle(turns), rot.from_axis_angle(-turns)], axis=1)  # (600, 2, 4)
    angles = rot.without_jumps(rot.to_zxy_degrees(q))
    np.testing.assert_allclose(rot.to_matrix(from_zxy_degrees(angles)), rot.to_matrix(q), atol=1e-6)
    assert np.abs(np.diff(angles, axis=0)).max() < 90.0  # frames are 3.6 degrees apart
    halfway = from_zxy_degrees((angles[1:] + angles[:-1]) / 2.0)
    apart = rot.to_axis_angle(rot.multiply(rot.conjugate(halfway), q[1:]))
    assert np.rad2deg(np.linalg.norm(apart, axis=-1)).max() < 5.0


def test_functions_broadcast() -> None:
    q = random_quaternions(6).reshape(2, 3, 4)
    assert rot.rotate(q[:, :, None], np.ones((7, 3))).shape == (2, 3, 7, 3)
    assert rot.between(np.ones((5, 1, 3)), np.ones((4, 3))).shape == (5, 4, 4)
    assert rot.to_matrix(q).shape == (2, 3, 3, 3)
    assert rot.from_matrix(rot.to_matrix(q)).shape == (2, 3, 4)
    assert rot.to_axis_angle(q).shape == rot.to_zxy_degrees(q).shape == (2, 3, 3)
    assert rot.from_axis_angle(np.ones(3)).shape == (4,)
