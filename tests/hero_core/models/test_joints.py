"""Joint positions with gradients, against those without."""

import numpy as np
import torch

from hero_core.models.joints import joints_of
from hero_core.motion.humanml3d import joints_to_vectors, vectors_to_joints


def test_they_are_those_of_the_motion_format() -> None:
    rng = np.random.default_rng(0)
    steps = rng.normal(0, 0.02, (2, 31, 1, 3)).cumsum(axis=1) + rng.normal(0, 0.3, (2, 1, 22, 3))
    vectors = np.stack([joints_to_vectors(joints) for joints in steps])  # (2, 30, 263)
    vectors[..., 0] += rng.normal(0, 0.1, vectors.shape[:2])  # turns, too
    joints = joints_of(torch.from_numpy(vectors))
    assert joints.shape == (2, 30, 22, 3)
    np.testing.assert_allclose(joints.numpy(), vectors_to_joints(vectors), atol=1e-5)


def test_a_step_moves_every_later_frame() -> None:
    motion = torch.zeros(1, 5, 263, dtype=torch.float64, requires_grad=True)
    torch.autograd.backward(joints_of(motion)[0, :, 0, 2].sum())
    assert motion.grad is not None
    assert motion.grad[0, :, 2].tolist() == [4, 3, 2, 1, 0]  # the last one leads nowhere


def test_gradients_are_those_of_the_function() -> None:
    motion = torch.randn(1, 4, 263, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(joints_of, (motion,), fast_mode=True)
