"""A linear question to the patches of a frame: which of you shows this? The mini encoder is taught by it too."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.minivimo.sight import PLACES

_NOWHERE_WEIGHT = 0.3


class PlaceProbe(nn.Module):
    """One logit of every patch for each of :data:`PLACES`, and one for "nowhere in the picture".

    What is small is found so long before a number about it can be told from the whole frame's feature.
    """

    def __init__(self, width: int, grid: int) -> None:
        super().__init__()
        self.grid = grid
        self.norm = nn.LayerNorm(width)
        self.weight = nn.Parameter(torch.zeros(width, len(PLACES)))
        self.nowhere = nn.Parameter(torch.full((len(PLACES),), 3.0))

    def losses(self, patches: Tensor, places: Tensor) -> Tensor:
        """``(kinds,)`` cross-entropies, from patches ``(n, p, width)`` and places ``(n, kinds, 2)``."""
        logits = (self.norm(patches) @ self.weight).mT  # (n, kinds, p)
        nowhere = self.nowhere.expand(len(logits), -1).unsqueeze(-1)
        truth = patch_of(places, self.grid)  # (n, kinds)
        losses = F.cross_entropy(
            torch.cat([logits, nowhere], dim=-1).flatten(0, 1), truth.flatten(), reduction="none"
        )
        weights = torch.where(truth < self.grid**2, 1.0, _NOWHERE_WEIGHT)
        return (losses.view_as(weights) * weights).sum(dim=0) / weights.sum(dim=0)


def patch_of(places: Tensor, grid: int) -> Tensor:
    """``(..., 2)`` x and y of -1..1 to the index of their patch ``(...)``, row by row; ``grid**2`` for NaN."""
    columns, rows = ((places.nan_to_num() + 1) / 2 * grid).floor().clamp(0, grid - 1).long().unbind(-1)
    return torch.where(places.isnan().any(dim=-1), grid**2, rows * grid + columns)
