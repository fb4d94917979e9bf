"""Train the masked transformer: base-layer tokens from a video (paper, section 3.3)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from hero_core.models.masked import MaskedTransformer
from trainer.tasks.tokens import TokenBatch, TokenTask


class MaskedTask(TokenTask[MaskedTransformer]):
    """Fill in masked base-layer tokens."""

    def losses(self, batch: TokenBatch, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Negative log-likelihood of the masked tokens (Eq. 2)."""
        return self.module.losses(batch.tokens[..., 0], batch.token_lengths, batch.condition, rng)
