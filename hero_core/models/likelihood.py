"""How likely a model finds the tokens that it should predict."""

import torch.nn.functional as F
from torch import Tensor

from hero_core.models.ranks import ALONE, Ranks


def token_losses(logits: Tensor, targets: Tensor, scored: Tensor, ranks: Ranks = ALONE) -> dict[str, Tensor]:
    """Negative log-likelihood (Eq. 2) and accuracy, each a mean over the batch's ``scored`` positions.

    Args:
        logits: ``(b, n, classes)``; of several ranks, of this one's rows.
        targets: ``(b, n)`` ids, of all rows.
        scored: ``(b, n)`` bool, of all rows; without a single True both results are zero.
        ranks: whose mean the results are.
    """
    count = scored.sum().clamp(min=1) / ranks.world
    targets, scored = ranks.own(targets), ranks.own(scored)
    ignored = -100
    labels = targets.masked_fill(~scored, ignored)
    summed = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=ignored, reduction="sum")
    right = (logits.argmax(dim=-1) == targets) & scored
    return {"total": summed / count, "accuracy": right.sum() / count}
