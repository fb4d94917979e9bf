"""Valid frames and padding. Masks are True where valid."""

import torch
from torch import Tensor


def valid_mask(lengths: Tensor, size: int) -> Tensor:
    """True for the first ``lengths[i]`` of ``size`` steps; ``(b,)`` -> ``(b, size)`` bool."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]  # (b, size)


def zero_past(sequence: Tensor, lengths: Tensor) -> Tensor:
    """``sequence`` ``(b, n, d)`` with every step past its length set to zero."""
    valid = valid_mask(lengths.to(sequence.device), sequence.shape[1])
    return sequence.masked_fill(~valid[:, :, None], 0.0)
