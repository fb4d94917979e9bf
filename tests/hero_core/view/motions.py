"""Motions made for the tests of the page."""

import numpy as np
from numpy.typing import NDArray

from hero_core.motion.format import MOTION_DIM
from hero_core.motion.humanml3d import CONTACTS, joints_to_vectors
from hero_core.motion.rotations import IDENTITY
from hero_core.motion.skeleton import TARGET_OFFSETS, forward_kinematics


def walk(frames: int = 41, speed_m_s: float = 0.8) -> NDArray[np.float64]:
    """Joints ``(frames, 22, 3)`` of a body that glides ahead, arms and legs at rest."""
    still = np.tile(IDENTITY, (frames, len(TARGET_OFFSETS), 1))
    root = np.stack([np.zeros(frames), np.full(frames, 0.94), np.arange(frames) * speed_m_s / 20], axis=1)
    return forward_kinematics(still, root, TARGET_OFFSETS)


def walk_vectors(frames: int = 40) -> NDArray[np.float32]:
    """Vectors ``(frames, 263)`` of :func:`walk`; the left foot stands in the first half, the right one then."""
    vectors = joints_to_vectors(walk(frames + 1))
    contacts = np.zeros((frames, 4), np.float32)
    contacts[: frames // 2, :2] = contacts[frames // 2 :, 2:] = 1
    vectors[:, CONTACTS] = contacts
    assert vectors.shape == (frames, MOTION_DIM)
    return vectors
