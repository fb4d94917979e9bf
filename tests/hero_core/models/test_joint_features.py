import numpy as np
import pytest
import torch

from hero_core.models.joint_features import JOINT_FEATURE_DIM, POSITION_DIM, joint_features, joint_statistics
from hero_core.motion.format import FPS, JOINT_COUNT
from hero_core.motion.humanml3d import CONTACTS, ROTATIONS_6D, VELOCITIES, vectors_to_joints
from hero_core.motion.statistics import MotionStatistics

FRAMES = 12


def _vectors() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(scale=0.3, size=(2, FRAMES, 263)).astype(np.float32)


def _parts(features: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Height (b, n), other joints from the pelvis (b, n, 21, 3), velocities (b, n, 22, 3)."""
    values = features.double().numpy()
    batch = values.shape[:2]
    positions = values[..., 1:POSITION_DIM].reshape(*batch, JOINT_COUNT - 1, 3)
    return values[..., 0], positions, values[..., POSITION_DIM:].reshape(*batch, JOINT_COUNT, 3)


def test_they_are_the_joints_up_to_where_the_body_stands_and_faces() -> None:
    vectors = _vectors()
    height, positions, velocities = _parts(joint_features(torch.from_numpy(vectors)))
    joints = vectors_to_joints(vectors)
    np.testing.assert_allclose(height, joints[..., 0, 1], atol=1e-5)
    from_pelvis = joints[..., 1:, :] - joints[..., :1, :]
    np.testing.assert_allclose(positions[..., 1], from_pelvis[..., 1], atol=1e-5)
    for axes in ([0, 1, 2], [0, 2]):
        np.testing.assert_allclose(
            np.linalg.norm(positions[..., axes], axis=-1),
            np.linalg.norm(from_pelvis[..., axes], axis=-1),
            atol=1e-5,
        )
    moved = FPS * np.diff(joints, axis=1)  # turned to the heading, of the same length
    np.testing.assert_allclose(
        np.linalg.norm(velocities[:, 1:], axis=-1), np.linalg.norm(moved, axis=-1), atol=1e-4
    )
    dots = (velocities[:, 1:, 1:] * positions[:, 1:]).sum(-1)  # and turned as the positions are
    np.testing.assert_allclose(dots, (moved[:, :, 1:] * from_pelvis[:, 1:]).sum(-1), atol=1e-4)
    assert (velocities[:, 0] == 0).all()


def test_what_only_says_it_again_is_not_looked_at() -> None:
    vectors, spoilt = torch.from_numpy(_vectors()), torch.from_numpy(_vectors())
    for redundant in (ROTATIONS_6D, VELOCITIES, CONTACTS):
        spoilt[..., redundant] = 7.0
    assert torch.equal(joint_features(vectors), joint_features(spoilt))


def test_what_follows_a_frame_is_not_looked_at() -> None:
    vectors = torch.from_numpy(_vectors())
    assert torch.equal(joint_features(vectors)[:, :5], joint_features(vectors[:, :5]))


def test_their_statistics_follow_from_those_of_the_vectors() -> None:
    vectors = _vectors().reshape(-1, 263)
    vectors[:, VELOCITIES] *= 0.1
    mean, deviation = joint_statistics(MotionStatistics.from_vectors([vectors]))
    assert mean.shape == deviation.shape == (JOINT_FEATURE_DIM,)
    features = joint_features(torch.from_numpy(vectors[None]))[0]
    torch.testing.assert_close(mean[:POSITION_DIM], features[:, :POSITION_DIM].mean(0), atol=1e-5, rtol=0)
    assert deviation[0] == pytest.approx(0.3, rel=0.1)
    assert deviation[-1] == pytest.approx(FPS * 0.03, rel=0.1)
    assert len(deviation.unique()) == 2
    torch.testing.assert_close(mean[POSITION_DIM:], torch.from_numpy(FPS * vectors[:, VELOCITIES].mean(0)))
