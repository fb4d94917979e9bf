"""Reactions are human: fixed bones, feet on the floor and planted, sane speeds, canonical form."""

import numpy as np
import pytest

from hero_core.minivimo.interactions import INTERACTIONS
from hero_core.motion.format import FPS
from hero_core.motion.humanml3d import joints_to_vectors, vectors_to_joints
from hero_core.motion.skeleton import TARGET_OFFSETS, bone_lengths
from pipeline.minivimo import make_motion, sample_clip

PLANS = [sample_clip(9, index) for index in range(2 * len(INTERACTIONS))]


@pytest.fixture(scope="module")
def motions() -> list[np.ndarray]:
    """Two clips of every interaction, one motion each."""
    return [make_motion(plan, variant=0) for plan in PLANS]


def test_shape_and_length(motions: list[np.ndarray]) -> None:
    for plan, joints in zip(PLANS, motions, strict=True):
        assert joints.shape == (plan.motion_length, 22, 3)
        assert joints.dtype == np.float32
        assert np.isfinite(joints).all()


def test_bones_are_those_of_the_target_skeleton(motions: list[np.ndarray]) -> None:
    expected = np.linalg.norm(TARGET_OFFSETS[1:], axis=-1)
    for joints in motions:
        np.testing.assert_allclose(
            bone_lengths(joints), np.broadcast_to(expected, (len(joints), 21)), atol=1e-5
        )


def test_canonical_at_the_start(motions: list[np.ndarray]) -> None:
    """On the floor, pelvis above the origin, facing Z+."""
    for joints in motions:
        assert joints[..., 1].min() == pytest.approx(0.0, abs=1e-5)
        np.testing.assert_allclose(joints[0, 0, [0, 2]], 0.0, atol=1e-6)
        across = joints[0, 1] - joints[0, 2] + joints[0, 16] - joints[0, 17]
        assert across[0] > 0.3  # the left side is at +X
        assert abs(across[2]) < 1e-4


def test_speeds_and_accelerations_are_human(motions: list[np.ndarray]) -> None:
    for joints in motions:
        velocity = np.diff(joints.astype(float), axis=0) * FPS
        assert np.linalg.norm(velocity, axis=-1).max() < 6.0
        assert np.linalg.norm(np.diff(velocity, axis=0) * FPS, axis=-1).max() < 120.0


def test_planted_feet_do_not_slide(motions: list[np.ndarray]) -> None:
    for joints in motions:
        for toe in (10, 11):
            step = np.diff(joints[:, toe].astype(float), axis=0) * FPS
            planted = (joints[1:, toe, 1] < 0.004) & (joints[:-1, toe, 1] < 0.004)
            assert planted.any()
            assert np.linalg.norm(step[planted][:, [0, 2]], axis=-1).max() < 0.12


def test_heading_changes_little(motions: list[np.ndarray]) -> None:
    for joints in motions:
        across = joints[:, 1] - joints[:, 2]
        heading = np.degrees(np.arctan2(-across[:, 2], across[:, 0]))
        assert np.abs(heading - heading[0]).max() < 25


def test_round_trip_through_vectors_is_below_a_millimetre(motions: list[np.ndarray]) -> None:
    for joints in motions:
        vectors = joints_to_vectors(joints)
        assert vectors.shape == (len(joints) - 1, 263)
        assert np.abs(vectors_to_joints(vectors) - joints[:-1]).max() < 1e-3


def test_nothing_happens_before_the_onset(motions: list[np.ndarray]) -> None:
    """Idle sway only, then (but for `stand`) some joint goes a hand's breadth and more."""
    for plan, joints in zip(PLANS, motions, strict=True):
        onset = int((plan.event_seconds + plan.delay_seconds(0)) * FPS)
        away = np.linalg.norm(joints - joints[0], axis=-1).max(axis=1)
        # The pelvis eases into the first step a moment early.
        assert away[: onset - 3].max() < 0.12
        assert (away.max() > 0.3) == (plan.interaction.reaction != "stand")


def test_one_clip_has_many_fitting_motions() -> None:
    plan = PLANS[0]
    variants = [make_motion(plan, variant) for variant in range(4)]
    for a in range(4):
        for b in range(a):
            assert np.abs(variants[a] - variants[b]).max() > 0.02
    assert np.array_equal(variants[1], make_motion(plan, 1))
