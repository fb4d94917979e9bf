"""Train the residual transformer: each finer layer's tokens from the coarser ones and a video (paper, section 3.3)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from hero_core.models.residual import ResidualTransformer
from trainer.tasks.tokens import TokenBatch, TokenTask


class ResidualTask(TokenTask[ResidualTransformer]):
    """Predict the tokens of one residual layer."""

    def losses(self, batch: TokenBatch, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Negative log-likelihood of the tokens of the layer drawn for each sample."""
        return self.module.losses(batch.tokens, batch.token_lengths, batch.condition, rng)
