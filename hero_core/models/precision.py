"""Which numbers matrix products are made of."""

import torch
from torch import Tensor


def product_dtype(x: Tensor) -> torch.dtype:
    """The type in which products of ``x`` are computed: its own, or what autocast makes of it."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
