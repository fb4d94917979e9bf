"""Where in a sequence a position is: the sinusoidal code of "Attention is all you need" (section 3.5)."""

import math

import torch
from torch import Tensor


def sinusoidal_positions(count: int, width: int) -> Tensor:
    """Position codes ``(count, width)``: sines in the even columns, cosines in the odd ones."""
    frequencies = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))  # (width / 2,)
    angles = torch.arange(count)[:, None] * frequencies  # (count, width / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)  # (count, width)
