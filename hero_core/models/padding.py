"""Valid frames and padding. Masks are True where valid."""

from typing import NamedTuple, Self

import torch
from torch import Tensor


def valid_mask(lengths: Tensor, size: int) -> Tensor:
    """True for the first ``lengths[i]`` of ``size`` steps; ``(b,)`` -> ``(b, size)`` bool."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]  # (b, size)


class Packing(NamedTuple):
    """Which steps of a padded batch are computed: what treats every step by itself can leave the padding out.

    Attributes:
        valid: ``(b, n)``, True before the padding.
        rows: ``(v,)`` of the steps that are computed, in the batch laid out as ``(b * n, ...)``; None for all of them.
    """

    valid: Tensor
    rows: Tensor | None

    @classmethod
    def of(cls, valid: Tensor, most: int | None = None) -> Self:
        """Choose the steps.

        Args:
            valid: the mask ``(b, n)``.
            most: choose so many, the valid ones first; the shapes then depend on nothing that only the device knows.
                None chooses the valid ones on a CPU, where counting costs nothing, and elsewhere all.
        """
        if most is None and (valid.device.type != "cpu" or bool(valid.all())):
            return cls(valid, None)
        if most is None:
            return cls(valid, valid.flatten().nonzero()[:, 0])
        order = (~valid.flatten()).to(torch.uint8).argsort(stable=True)  # (b * n,)
        return cls(valid, order[:most])

    @property
    def sequences(self) -> Tensor:
        """``(v,)``, which sequence of the batch each computed step belongs to."""
        batch, size = self.valid.shape
        if self.rows is not None:
            return self.rows // size
        return torch.arange(batch, device=self.valid.device).repeat_interleave(size)

    def pack(self, padded: Tensor) -> Tensor:
        """``(b, n, d)`` -> ``(v, d)``."""
        rows = padded.flatten(0, 1)  # (b * n, d)
        return rows if self.rows is None else rows.index_select(0, self.rows)

    def unpack(self, packed: Tensor) -> Tensor:
        """``(v, d)`` -> ``(b, n, d)``, zero where nothing was computed."""
        if self.rows is None:
            return packed.view(*self.valid.shape, -1)
        padded = packed.new_zeros(self.valid.numel(), packed.shape[1])
        return padded.index_copy_(0, self.rows, packed).view(*self.valid.shape, -1)


def zero_past(sequence: Tensor, lengths: Tensor) -> Tensor:
    """``sequence`` ``(b, n, d)`` with every step past its length set to zero."""
    valid = valid_mask(lengths.to(sequence.device), sequence.shape[1])
    return sequence.masked_fill(~valid[:, :, None], 0.0)
