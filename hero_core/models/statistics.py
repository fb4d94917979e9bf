"""Statistics that travel with the network they were used to train."""

import torch
from torch import Tensor, nn

from hero_core.errors import InputError


class MotionStatistics(nn.Module):
    """Mean and standard deviation of every motion dimension, as buffers.

    Args:
        mean: ``(dim,)``.
        std: ``(dim,)``, positive.
        dim: what the network expects.

    Raises:
        InputError: another shape, values that are not finite, or a standard deviation that is not positive.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor, dim: int) -> None:
        super().__init__()
        if mean.shape != (dim,) or std.shape != (dim,):
            raise InputError(
                f"motion statistics of shapes {tuple(mean.shape)} and {tuple(std.shape)}, expected ({dim},) twice"
            )
        if not bool(torch.isfinite(mean).all() and torch.isfinite(std).all() and (std > 0).all()):
            raise InputError("motion statistics must be finite, and every standard deviation positive")
        self.register_buffer("mean", mean.detach().clone().float())
        self.register_buffer("std", std.detach().clone().float())

    def normalise(self, motion: Tensor) -> Tensor:
        """``(..., dim)`` -> the same shape, zero mean and unit variance."""
        return (motion - self.mean) / self.std

    def denormalise(self, motion: Tensor) -> Tensor:
        """The inverse of :meth:`normalise`."""
        return motion * self.std + self.mean
