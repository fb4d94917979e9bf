"""What the frozen encoder makes of the motions, computed once for every crop and kept."""

from typing import Any

import torch
from torch import Tensor

from hero_core.models.base import Batch

MOST_CROPS = 50_000
"""Crops whose tokens are kept, at the paper's sizes 2.4 kB each. A motion can be cropped in about nine ways."""


class EncodedMotions:
    """Encodes every crop of a motion when it first comes up.

    Each is encoded by itself, so that its tokens do not depend on the batch: a resumed run, whose memory starts empty,
    goes on with the same ones.
    """

    def __init__(self, encoder: Any) -> None:
        """Take a part with ``encode(motion, lengths)``, in evaluation mode and on its device."""
        self._encoder = encoder
        self._kept: dict[tuple[str, int, int], Tensor] = {}

    def of(self, batch: Batch) -> Tensor:
        """What the encoder makes of ``batch.motion``, e.g. tokens ``(b, n / 4, q)``, on the batch's device."""
        crops = zip(batch.keys, batch.starts, batch.lengths.tolist(), strict=True)
        return torch.stack([self._row(batch, row, crop) for row, crop in enumerate(crops)])

    def _row(self, batch: Batch, row: int, crop: tuple[str, int, int]) -> Tensor:
        if crop in self._kept:
            return self._kept[crop]
        encoded: Tensor = self._encoder.encode(batch.motion[row : row + 1], batch.lengths[row : row + 1])[0]
        if len(self._kept) < MOST_CROPS:
            self._kept[crop] = encoded
        return encoded
