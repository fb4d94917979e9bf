import numpy as np
import pytest

from hero_core.errors import InputError
from hero_core.motion.format import FPS, JOINT_COUNT
from hero_core.motion.humanml3d import CONTACTS, FEET, joints_to_vectors
from hero_core.motion.physics import (
    floating_m,
    peak_jerk_m_s3,
    penetration_m,
    physics,
    skating_m_s,
    touches,
)
from hero_core.motion.skeleton import TARGET_OFFSETS, forward_kinematics

SECONDS = np.arange(9) / FPS


def standing(frames: int) -> np.ndarray:
    """Joints (n, 22, 3) of a body at rest whose lowest foot joint is on the floor."""
    rest = forward_kinematics(np.tile([1.0, 0, 0, 0], (JOINT_COUNT, 1)), np.zeros(3), TARGET_OFFSETS)
    rest[:, 1] -= rest[list(FEET), 1].min()
    return np.tile(rest, (frames, 1, 1))


def feet_at(heights: tuple[float, float, float, float], frames: int = 3) -> np.ndarray:
    joints = np.zeros((frames, JOINT_COUNT, 3))
    joints[:, FEET, 1] = heights
    return joints


def test_a_foot_touches_the_floor_where_it_is_low_in_two_frames() -> None:
    assert touches(feet_at((0.07, 0.03, 0.09, 0.05)))[0].tolist() == [True, True, False, False]
    lifted = feet_at((0.0, 0.0, 0.0, 0.0), frames=4)
    lifted[2, FEET[1], 1] = 0.1
    assert touches(lifted)[:, 1].tolist() == [True, False, False]


def test_skating_is_the_horizontal_speed_of_feet_in_contact_alone() -> None:
    joints = np.zeros((len(SECONDS), JOINT_COUNT, 3))
    for foot, speed in zip(FEET, (0.1, 0.2, 0.3, 5.0), strict=True):
        joints[:, foot, 0] = 0.6 * speed * SECONDS
        joints[:, foot, 2] = 0.8 * speed * SECONDS
        joints[:, foot, 1] = np.sin(np.arange(len(SECONDS)))  # which does not count
    contact = np.zeros((len(SECONDS) - 1, 4), bool)
    contact[:, :3] = True
    assert skating_m_s(joints, contact) == pytest.approx(0.2)
    assert np.isnan(skating_m_s(joints, np.zeros_like(contact)))


def test_floating_and_penetration_are_means_over_all_frames_of_the_lowest_foot() -> None:
    joints = feet_at((0.5, 0.4, 0.3, 0.9), frames=4)
    joints[:2, FEET[2], 1] = [-0.02, -0.06]
    assert floating_m(joints) == pytest.approx(0.6 / 4)
    assert penetration_m(joints) == pytest.approx(0.08 / 4)


def test_peak_jerk_of_a_cubic_is_its_third_derivative() -> None:
    joints = np.zeros((len(SECONDS), JOINT_COUNT, 3))
    joints[:, 5, 0], joints[:, 5, 1] = 3 * SECONDS**3 / 6, 4 * SECONDS**3 / 6
    joints[:, 9, 0] = 100 * SECONDS**2  # accelerates evenly, so without a jerk
    assert peak_jerk_m_s3(joints) == pytest.approx(5.0)


def test_a_body_at_rest_has_none_of_it() -> None:
    found = physics(joints_to_vectors(standing(10)))
    assert found == pytest.approx((0, 0, 0, 0, 0), abs=1e-2)


def test_a_body_that_slides_over_the_floor_skates_at_its_speed() -> None:
    joints = standing(10)
    joints[..., 2] += 0.4 * np.arange(10)[:, None] / FPS
    found = physics(joints_to_vectors(joints))
    assert found.skating_m_s == pytest.approx(0.4, abs=1e-4)
    assert found.contact_skating_m_s == pytest.approx(0.4, abs=1e-4)
    vectors = joints_to_vectors(joints)
    vectors[:, CONTACTS] = 0
    denied = physics(vectors)
    assert denied.skating_m_s == pytest.approx(0.4, abs=1e-4)
    assert np.isnan(denied.contact_skating_m_s)


def test_a_lifted_body_floats_and_a_sunken_one_penetrates() -> None:
    for height, floating, penetration in ((0.3, 0.3, 0.0), (-0.2, 0.0, 0.2)):
        found = physics(joints_to_vectors(standing(6) + np.array([0, height, 0])))
        assert found[2:4] == pytest.approx((floating, penetration), abs=1e-6)


def test_a_motion_of_three_frames_has_no_jerk() -> None:
    with pytest.raises(InputError, match="3 frames has no jerk"):
        physics(np.zeros((3, 263), np.float32))
