"""What a generator trains on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hero_core.models.features import VideoFeatures


@dataclass(frozen=True)
class Batch:
    """Pairs of videos and reactions, batch first.

    Attributes:
        keys: the pairs' keys, all different; a clip with several reactions may be in more than one pair.
        motion: ``(b, n, 263)`` in HumanML3D units, zero past each length.
        lengths: ``(b,)`` int64, valid frames.
        condition: what the videos look like.
    """

    keys: tuple[str, ...]
    motion: Tensor
    lengths: Tensor
    condition: VideoFeatures

    def to(self, device: torch.device) -> "Batch":
        """The same batch on ``device``."""
        return Batch(self.keys, self.motion.to(device), self.lengths.to(device), self.condition.to(device))
