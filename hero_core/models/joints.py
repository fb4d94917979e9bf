"""Joint positions from HumanML3D vectors, as :mod:`hero_core.motion.humanml3d` has them, with gradients."""

import torch
import torch.nn.functional as F
from torch import Tensor

from hero_core.motion.format import JOINT_COUNT
from hero_core.motion.humanml3d import LOCAL_POSITIONS, ROOT_HEIGHT, ROOT_XZ_VELOCITY, ROOT_YAW_VELOCITY


def joints_of(motion: Tensor) -> Tensor:
    """Motions ``(b, n, 263)`` in HumanML3D units as joint positions ``(b, n, 22, 3)`` in metres."""
    velocity = motion[..., ROOT_YAW_VELOCITY]  # (b, n, 1), half the heading's change to the next frame
    heading = 2 * (velocity.cumsum(dim=1) - velocity)  # (b, n, 1), before each frame
    step = F.pad(motion[:, :-1, ROOT_XZ_VELOCITY], (0, 0, 1, 0))  # (b, n, 2), to each frame
    root = torch.cat(_turned(step[..., :1], step[..., 1:], heading), dim=-1).cumsum(
        dim=1
    )  # (b, n, 2), x and z
    local = motion[..., LOCAL_POSITIONS].reshape(*motion.shape[:2], JOINT_COUNT - 1, 3)  # (b, n, 21, 3)
    x, height, z = local.unbind(dim=-1)
    x, z = _turned(x, z, heading)
    others = torch.stack([x + root[..., :1], height, z + root[..., 1:]], dim=-1)  # (b, n, 21, 3)
    pelvis = torch.cat([root[..., :1], motion[..., ROOT_HEIGHT], root[..., 1:]], dim=-1)  # (b, n, 3)
    return torch.cat([pelvis[:, :, None], others], dim=2)


def _turned(x: Tensor, z: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """Horizontal coordinates turned back from a heading of ``angle`` to the world."""
    cos, sin = angle.cos(), angle.sin()
    return cos * x - sin * z, sin * x + cos * z
