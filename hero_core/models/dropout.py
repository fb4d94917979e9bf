"""Dropout whose random masks cost little on a CPU: eight of them from every number that the generator makes."""

import math

import torch
from torch import Tensor, nn

_LEVELS = 256


class Dropout(nn.Dropout):
    """``torch.nn.Dropout``; on a CPU, ``p`` is rounded to a multiple of 1/256 and the masks are other ones."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape; unchanged in evaluation mode."""
        if not self.training or self.p == 0 or x.device.type != "cpu":
            return super().forward(x)
        return x * kept(x.shape, self.p).to(x.dtype)


def kept(shape: torch.Size, p: float) -> Tensor:
    """What to multiply by: 0 with probability about ``p``, else what makes up for it. From the global generator."""
    dropped = min(max(round(p * _LEVELS), 1), _LEVELS - 1)  # of the levels
    count = math.prod(shape)
    numbers = torch.empty(-(-count // 8), dtype=torch.int64).random_(-(2**63), None)
    levels = numbers.view(torch.uint8)[:count].view(shape)
    return (levels >= dropped).float().mul_(_LEVELS / (_LEVELS - dropped))
