"""Tests of hero_core.motion.feet."""

import numpy as np
import pytest

from hero_core.errors import InputError
from hero_core.motion.feet import LEGS, MOST_STRETCH, clean_feet, clean_vectors
from hero_core.motion.format import FPS
from hero_core.motion.humanml3d import CONTACTS, joints_to_vectors, vectors_to_joints
from hero_core.motion.skeleton import TARGET_OFFSETS, bone_lengths, forward_kinematics

FRAMES = 60
FEET = [leg[joint] for leg in LEGS for joint in (2, 3)]


def person(bent_radians: float = 0.3) -> np.ndarray:
    """One who stands with bent knees, toes on the floor: ``(22, 3)``."""
    rotations = np.zeros((22, 4))
    rotations[:, 0] = 1.0
    for hip, knee, *_ in LEGS:
        for joint, angle in ((hip, -bent_radians), (knee, 2 * bent_radians)):
            rotations[joint] = [np.cos(angle / 2), np.sin(angle / 2), 0.0, 0.0]
    joints = forward_kinematics(rotations, np.zeros(3), TARGET_OFFSETS)
    joints[:, 1] -= joints[FEET, 1].min()
    return joints


def sliding(metres: float, sunk: float = 0.0) -> np.ndarray:
    """One whose feet stay below the body, which glides by so much: ``(n, 22, 3)``."""
    joints = np.repeat(person()[None], FRAMES, axis=0)
    joints[..., 0] += np.linspace(0, metres, FRAMES)[:, None]
    joints[..., 1] -= sunk
    return joints


def speed(joints: np.ndarray, joint: int) -> float:
    """Mean speed over the floor, m/s."""
    return float(np.linalg.norm(np.diff(joints[:, joint, ::2], axis=0), axis=-1).mean() * FPS)


def test_feet_that_slide_stand_still() -> None:
    joints = sliding(0.2)
    cleaned = clean_feet(joints, np.ones((FRAMES, 4)))
    for joint in FEET:
        assert speed(joints, joint) == pytest.approx(0.2 / (FRAMES - 1) * FPS)
        assert speed(cleaned, joint) < 0.1 * speed(joints, joint)


def test_only_legs_move_and_bones_keep_their_lengths() -> None:
    joints = sliding(0.3)
    cleaned = clean_feet(joints, np.ones((FRAMES, 4)))
    legs = [joint for leg in LEGS for joint in leg[1:]]
    others = [joint for joint in range(22) if joint not in legs]
    assert np.array_equal(cleaned[:, others], joints[:, others])
    change = bone_lengths(cleaned) / bone_lengths(joints)
    assert change.min() > 1 - MOST_STRETCH - 1e-6
    assert change.max() < 1 + MOST_STRETCH + 1e-6


def test_knees_stay_in_front() -> None:
    cleaned = clean_feet(sliding(0.2), np.ones((FRAMES, 4)))
    for hip, knee, ankle, _ in LEGS:
        middle = (cleaned[:, hip] + cleaned[:, ankle]) / 2
        assert (cleaned[:, knee, 2] > middle[:, 2]).all()


def test_feet_rise_to_the_floor() -> None:
    joints = sliding(0.0, sunk=0.05)
    cleaned = clean_feet(joints, np.zeros((FRAMES, 4)))
    assert joints[:, FEET, 1].min() == pytest.approx(-0.05)
    assert cleaned[:, FEET, 1].min() > -1e-9


def test_without_contacts_and_above_the_floor_nothing_changes() -> None:
    joints = sliding(0.2)
    assert clean_feet(joints, np.zeros((FRAMES, 4))) == pytest.approx(joints, abs=1e-9)


def test_a_foot_that_is_too_fast_to_stand_is_left_alone() -> None:
    joints = sliding(1.2 * (FRAMES - 1) / FPS)  # 1.2 m/s
    assert clean_feet(joints, np.ones((FRAMES, 4))) == pytest.approx(joints, abs=1e-9)


def test_a_foot_that_is_let_go_returns_without_a_jump() -> None:
    joints, contacts = sliding(0.3), np.zeros((FRAMES, 4))
    contacts[20:40, :2] = 1
    cleaned = clean_feet(joints, contacts)
    change = np.linalg.norm(cleaned - joints, axis=-1)[:, LEGS[0][3]]  # (n,)
    assert change[20:40].max() > 0.03
    assert change[[0, 9, 50, 59]].max() < 1e-3
    assert np.abs(np.diff(change)).max() < 0.025
    assert cleaned[:, LEGS[1][3]] == pytest.approx(joints[:, LEGS[1][3]], abs=1e-9)


def test_blips_of_contact_are_ignored() -> None:
    joints, contacts = sliding(0.3), np.zeros((FRAMES, 4))
    contacts[30:32] = 1
    assert clean_feet(joints, contacts) == pytest.approx(joints, abs=1e-9)
    gap = np.ones((FRAMES, 4))
    gap[30:32] = 0
    assert clean_feet(joints, gap) == pytest.approx(clean_feet(joints, np.ones((FRAMES, 4))))


def test_vectors_keep_their_length_and_are_those_of_the_cleaned_joints() -> None:
    vectors = joints_to_vectors(sliding(0.2))
    cleaned = clean_vectors(vectors)
    assert cleaned.shape == vectors.shape
    expected = clean_feet(vectors_to_joints(vectors), vectors[:, CONTACTS])
    found = vectors_to_joints(cleaned)
    assert found - found[:1, :1] == pytest.approx(expected - expected[:1, :1], abs=1e-4)


def test_contacts_of_another_length_are_refused() -> None:
    with pytest.raises(InputError, match=r"60 frames need contacts \(60, 4\)"):
        clean_feet(sliding(0.1), np.ones((FRAMES - 1, 4)))
