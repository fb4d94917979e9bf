"""Where the joints of a motion are and how they move, without the numbers of its vectors that only say it again."""

import torch
import torch.nn.functional as F
from torch import Tensor

from hero_core.motion.format import FPS, JOINT_COUNT
from hero_core.motion.humanml3d import (
    LOCAL_POSITIONS,
    ROOT_HEIGHT,
    ROOT_XZ_VELOCITY,
    ROOT_YAW_VELOCITY,
    VELOCITIES,
)
from hero_core.motion.statistics import MotionStatistics

POSITION_DIM = 1 + 3 * (JOINT_COUNT - 1)
JOINT_FEATURE_DIM = POSITION_DIM + 3 * JOINT_COUNT


def joint_features(motion: Tensor) -> Tensor:
    """What ``vectors_to_joints`` sees of HumanML3D vectors, frame by frame and turned to the body's heading.

    Rotations, velocities and contacts of the vectors are not looked at: velocities are those of the positions.

    Args:
        motion: ``(b, n, 263)``.

    Returns:
        ``(b, n, 130)``: height of the pelvis and positions of the other joints from the pelvis, metres; velocities of
        all joints since the frame before, metres per second, 0 in the first frame.
    """
    height = motion[..., ROOT_HEIGHT]  # (b, n, 1)
    others = motion[..., LOCAL_POSITIONS].reshape(*motion.shape[:-1], JOINT_COUNT - 1, 3)  # (b, n, 21, 3)
    pelvis = F.pad(height, (1, 1))  # (b, n, 3), above the origin
    joints = torch.cat((pelvis[..., None, :], others), dim=-2)  # (b, n, 22, 3)
    step = motion[:, :-1, ROOT_XZ_VELOCITY]  # (b, n - 1, 2), of the pelvis, seen from the later heading
    moved = torch.stack((step[..., 0], torch.zeros_like(step[..., 0]), step[..., 1]), dim=-1)
    before = _turned(joints[:, :-1], 2 * motion[:, :-1, ROOT_YAW_VELOCITY])
    velocities = FPS * (joints[:, 1:] + moved[..., None, :] - before)  # (b, n - 1, 22, 3)
    from_pelvis = others - pelvis[..., None, :]
    return torch.cat((height, from_pelvis.flatten(-2), F.pad(velocities.flatten(-2), (0, 0, 1, 0))), dim=-1)


def joint_statistics(statistics: MotionStatistics) -> tuple[Tensor, Tensor]:
    """Mean and deviation ``(130,)`` of the joint features of motions whose vectors have ``statistics``.

    As in HumanML3D, all positions have one deviation and all velocities another.
    """
    mean, std = torch.from_numpy(statistics.mean), torch.from_numpy(statistics.std)
    from_pelvis = mean[LOCAL_POSITIONS].reshape(JOINT_COUNT - 1, 3) - F.pad(mean[ROOT_HEIGHT], (1, 1))
    means = torch.cat((mean[ROOT_HEIGHT], from_pelvis.flatten(), FPS * mean[VELOCITIES]))
    deviations = torch.cat(
        (
            std[LOCAL_POSITIONS].mean().expand(POSITION_DIM),
            FPS * std[VELOCITIES].mean().expand(JOINT_FEATURE_DIM - POSITION_DIM),
        )
    )
    return means, deviations


def _turned(joints: Tensor, angle: Tensor) -> Tensor:
    """Joints ``(b, n, 22, 3)`` turned about the vertical by ``angle (b, n, 1)``, radians."""
    x, y, z = joints.unbind(-1)
    cos, sin = angle.cos(), angle.sin()
    return torch.stack((cos * x + sin * z, y, cos * z - sin * x), dim=-1)
