"""Attention that knows how far apart queries and keys are in time: rotary embeddings (Su et al., 2021) of seconds."""

import math
from typing import NamedTuple, Self

import torch
from torch import Tensor

SHORTEST_PERIOD_SECONDS, LONGEST_PERIOD_SECONDS = 0.8, 24.0
"""From twice the usual distance of two sampled frames to over twice the longest motion."""


class Rotation(NamedTuple):
    """Turns the channels of each head by angles that grow with time; ``cos`` and ``sin`` are ``(..., n, width / 2)``.

    The dot product of two vectors that were turned depends on the time between them, not on when they are.
    """

    cos: Tensor
    sin: Tensor

    @classmethod
    def of(cls, seconds: Tensor, width: int) -> Self:
        """The rotation of vectors of an even ``width`` at ``seconds`` ``(..., n)``; at 0 s it changes nothing."""
        ratio = LONGEST_PERIOD_SECONDS / SHORTEST_PERIOD_SECONDS
        shares = torch.linspace(0, 1, width // 2, device=seconds.device)
        periods = SHORTEST_PERIOD_SECONDS * ratio**shares  # (width / 2,)
        angles = seconds[..., None] * (2 * math.pi / periods)  # (..., n, width / 2)
        return cls(angles.cos(), angles.sin())

    def __call__(self, x: Tensor) -> Tensor:
        """Vectors ``(..., n, width)``, turned: channel ``i`` of the first half together with ``i`` of the second."""
        first, second = x.chunk(2, dim=-1)  # (..., n, width / 2)
        return torch.cat([first * self.cos - second * self.sin, second * self.cos + first * self.sin], dim=-1)
