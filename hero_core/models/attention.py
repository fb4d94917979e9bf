"""The two halves of every block: multi-head attention and the feed-forward network."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hero_core.models.dropout import Dropout
from hero_core.models.rotary import Rotation


class Clock(NamedTuple):
    """When queries and keys are, as rotations of a head's vectors: ``(n, ...)`` and ``(b, 1, t, ...)``."""

    queries: Rotation
    keys: Rotation


class Attention(nn.Module):
    """Multi-head scaled dot-product attention, batch first, with dropout on the attention weights."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = Dropout(dropout)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(
        self, queries: Tensor, context: Tensor, valid: Tensor | None = None, clock: Clock | None = None
    ) -> Tensor:
        """What each query gathers from the context.

        Args:
            queries: ``(b, n, d)``.
            context: ``(b, t, d)``, the source of keys and values.
            valid: ``(b, t)``, True where the context may be attended to; None for everywhere.
            clock: when queries and keys are; None if time does not matter.

        Returns:
            ``(b, n, d)``
        """
        mask = None if valid is None else valid[:, None, None, :]  # (b, 1, 1, t)
        query, key = self._split(self.query(queries)), self._split(self.key(context))
        if clock is not None:
            query, key = clock.queries(query), clock.keys(key)
        gathered = self._gather(query, key, self._split(self.value(context)), mask)  # (b, h, n, d/h)
        joined: Tensor = self.out(gathered.transpose(1, 2).flatten(2))  # (b, n, d)
        return joined

    def _gather(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        p = self.dropout.p if self.training else 0.0
        if p == 0 or query.device.type != "cpu":
            return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=p)
        # No fused kernel has dropout on a CPU; by hand, the masks are cheap ones.
        logits = query @ key.mT * query.shape[-1] ** -0.5  # (b, h, n, t)
        weights = (logits if mask is None else logits.masked_fill(~mask, -torch.inf)).softmax(dim=-1)
        gathered: Tensor = self.dropout(weights) @ value
        return gathered

    def _split(self, x: Tensor) -> Tensor:
        batch, size, width = x.shape
        return x.view(batch, size, self.heads, width // self.heads).transpose(1, 2)  # (b, h, n, d/h)


class FeedForward(nn.Sequential):
    """Linear, exact GELU, dropout, linear. ``hidden_dropout`` is the one between the two linears."""

    def __init__(self, width: int, hidden_width: int, hidden_dropout: float) -> None:
        super().__init__(
            nn.Linear(width, hidden_width),
            nn.GELU(),
            Dropout(hidden_dropout),
            nn.Linear(hidden_width, width),
        )
