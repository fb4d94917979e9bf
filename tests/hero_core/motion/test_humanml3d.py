from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hero_core.errors import InputError
from hero_core.motion import humanml3d as h
from hero_core.motion import rotations as rot
from hero_core.motion.canonical import canonicalise
from hero_core.motion.format import MOTION_DIM
from hero_core.motion.rotations import Array
from tests.hero_core.motion.rotation_recovery import chain_forward_kinematics, vectors_to_joints_by_rotation

MakeMotion = Callable[..., Array]


def spinning(frames: int, turn: float, seed: int) -> Array:
    """A stiff body that turns on the spot while it slides; crosses every heading if `turn` is large."""
    still = np.tile(rot.IDENTITY, (22, 1))
    rng = np.random.default_rng(seed)
    body = chain_forward_kinematics(still, np.array([0.0, 0.85, 0.0]))
    body += rng.normal(scale=0.02, size=body.shape)
    drift = np.cumsum(rng.normal(scale=0.02, size=(frames, 1, 3)), axis=0) * [1, 0, 1]
    return (
        rot.rotate(rot.from_axis_angle(np.linspace(0.0, turn, frames)[:, None, None] * [0.0, 1.0, 0.0]), body)
        + drift
    )


def test_slices_cover_the_vector_once_and_in_order() -> None:
    slices = (
        h.ROOT_YAW_VELOCITY,
        h.ROOT_XZ_VELOCITY,
        h.ROOT_HEIGHT,
        h.LOCAL_POSITIONS,
        h.ROTATIONS_6D,
        h.VELOCITIES,
        h.CONTACTS,
    )
    assert [s.start for s in slices] == [0, *(s.stop for s in slices[:-1])]
    assert [s.stop - s.start for s in slices] == [1, 2, 1, 63, 126, 66, 4]
    assert slices[-1].stop == MOTION_DIM


@settings(max_examples=25, deadline=None)
@given(turn=st.floats(-40.0, 40.0), seed=st.integers(0, 1000), frames=st.integers(2, 70))
def test_both_recoveries_lead_back_to_the_joints_whatever_the_heading(
    turn: float, seed: int, frames: int
) -> None:
    joints = canonicalise(spinning(frames, turn, seed))
    vectors = h.joints_to_vectors(joints)
    assert vectors.shape == (frames - 1, MOTION_DIM)
    assert vectors.dtype == np.float32
    assert np.abs(h.vectors_to_joints(vectors) - joints[:-1]).max() < 1e-5
    assert np.abs(vectors_to_joints_by_rotation(vectors) - joints[:-1]).max() < 1e-5


def test_published_code_loses_the_path_where_the_heading_crosses_180_degrees(make_motion: MakeMotion) -> None:
    joints = canonicalise(spinning(100, 6.0, seed=1))
    assert np.abs(h.vectors_to_joints(h.joints_to_vectors(joints, official=True)) - joints[:-1]).max() > 0.01
    assert np.abs(h.vectors_to_joints(h.joints_to_vectors(joints)) - joints[:-1]).max() < 1e-5

    calm = canonicalise(make_motion(turn=0.5))
    np.testing.assert_allclose(h.joints_to_vectors(calm, official=True), h.joints_to_vectors(calm), atol=1e-7)


def test_any_motion_comes_back_up_to_its_starting_place(make_motion: MakeMotion) -> None:
    joints = make_motion(turn=5.0) + np.array([3.0, 0.4, -2.0])
    back = h.vectors_to_joints(h.joints_to_vectors(joints))
    np.testing.assert_allclose(back, joints[:-1] - joints[0, 0] * [1, 0, 1], atol=1e-5)


def test_facing_away_from_plus_z_gives_numbers(make_motion: MakeMotion) -> None:
    turned = rot.rotate(rot.from_axis_angle([0.0, np.pi, 0.0]), canonicalise(make_motion(turn=0.0, sway=0.0)))
    vectors = h.joints_to_vectors(turned)
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(
        h.vectors_to_joints(vectors), turned[:-1] - turned[0, 0] * [1, 0, 1], atol=1e-5
    )


def test_degenerate_bodies_give_numbers() -> None:
    assert np.isfinite(h.joints_to_vectors(np.zeros((5, 22, 3)))).all()
    upside_down = np.tile(chain_forward_kinematics(np.tile(rot.IDENTITY, (22, 1)), np.zeros(3)), (4, 1, 1))
    assert np.isfinite(h.joints_to_vectors(-upside_down)).all()


def test_what_the_columns_mean() -> None:
    frames = 40
    joints = canonicalise(
        np.tile(chain_forward_kinematics(np.tile(rot.IDENTITY, (22, 1)), np.zeros(3)), (frames, 1, 1))
    )
    joints[:, :, 2] += 0.1 * np.arange(frames)[:, None]  # 2 m/s, straight ahead
    vectors = h.joints_to_vectors(joints)
    root = vectors[:, h.ROOT_XZ_VELOCITY]
    # the first frame's heading is the identity; of this pose the published heading is too
    np.testing.assert_allclose(np.linalg.norm(root, axis=1), 0.1, atol=1e-6)
    np.testing.assert_allclose(vectors[:, h.ROOT_HEIGHT], joints[:-1, 0, 1:2], atol=1e-6)
    assert (vectors[:, h.CONTACTS] == 0).all()  # 0.1 m per frame is no standing foot
    still = h.joints_to_vectors(np.tile(joints[:1], (frames, 1, 1)))
    assert (still[:, h.CONTACTS] == 1).all()
    np.testing.assert_allclose(still[:, h.VELOCITIES], 0.0, atol=1e-7)


def test_yaw_velocity_is_half_the_angle() -> None:
    joints = canonicalise(spinning(200, 0.01 * 199, seed=0))
    middle = h.joints_to_vectors(joints)[90:110, h.ROOT_YAW_VELOCITY]
    np.testing.assert_allclose(np.abs(middle), 0.005, atol=1e-4)


def test_recovery_takes_batches_and_padding(make_motion: MakeMotion) -> None:
    vectors = h.joints_to_vectors(canonicalise(make_motion()))
    batch = np.stack([vectors, np.zeros_like(vectors)])
    joints = h.vectors_to_joints(batch)
    assert joints.shape == (2, 59, 22, 3)
    assert np.isfinite(joints).all()
    np.testing.assert_allclose(joints[0], h.vectors_to_joints(vectors), atol=1e-12)


@pytest.mark.parametrize(
    ("joints", "message"),
    [
        (np.zeros((1, 22, 3)), "two frames"),
        (np.zeros((5, 24, 3)), "22, 3"),
        (np.zeros((0, 22, 3)), "22, 3"),
        (np.full((5, 22, 3), np.nan), "NaN"),
    ],
)
def test_bad_joints_are_refused(joints: Array, message: str) -> None:
    with pytest.raises(InputError, match=message):
        h.joints_to_vectors(joints)


def test_bad_vectors_are_refused() -> None:
    with pytest.raises(InputError, match="263"):
        h.vectors_to_joints(np.zeros((5, 262)))
