"""The statistics that a network was trained with, kept inside it."""

import torch
from torch import Tensor, nn

from hero_core.errors import InputError
from hero_core.motion.statistics import MotionStatistics


class Normalisation(nn.Module):
    """``(motion - mean) / std`` for every motion dimension, with mean and std as buffers; at first 0 and 1."""

    mean: Tensor
    std: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))

    def take(self, statistics: MotionStatistics) -> None:
        """Normalise by these statistics from now on.

        Raises:
            InputError: they are of motions of another width.
        """
        if statistics.mean.shape != self.mean.shape:
            raise InputError(
                f"motion statistics of {len(statistics.mean)} dimensions, expected {len(self.mean)}"
            )
        self.mean.copy_(torch.from_numpy(statistics.mean))
        self.std.copy_(torch.from_numpy(statistics.std))

    def forward(self, motion: Tensor) -> Tensor:
        """``(..., dim)`` -> the same shape, zero mean and unit variance."""
        return (motion - self.mean) / self.std

    def inverse(self, motion: Tensor) -> Tensor:
        """``(..., dim)`` -> the same shape, in the units of the motion."""
        return motion * self.std + self.mean
