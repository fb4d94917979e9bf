"""The two halves of every block: multi-head attention and the feed-forward network."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hero_core.models.dropout import Dropout
from hero_core.models.rotary import Rotation


class Memory(NamedTuple):
    """What queries look at, ready for any number of them: keys and values of every head, ``(b, h, t, d / h)``."""

    keys: Tensor
    values: Tensor


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

    def forward(self, queries: Tensor, context: Tensor) -> Tensor:
        """What each of the queries ``(b, n, d)`` gathers from the context ``(b, t, d)``, ``(b, n, d)``."""
        memory = self.memory(self.key(context), self.value(context))
        gathered: Tensor = self.out(self.gather(self.query(queries), memory))  # (b, n, d)
        return gathered

    def memory(self, key: Tensor, value: Tensor, when: Rotation | None = None) -> Memory:
        """Keys and values, ``(b, t, d)`` each, as :meth:`gather` wants them; ``when`` ``(b, 1, t, ...)`` turns keys."""
        keys = self._split(key)
        return Memory(keys if when is None else when(keys), self._split(value))

    def gather(
        self, query: Tensor, memory: Memory, valid: Tensor | None = None, when: Rotation | None = None
    ) -> Tensor:
        """What lies between the projections of queries and results.

        Args:
            query: ``(b, n, d)``.
            memory: of ``t`` places.
            valid: ``(b, t)``, True where the memory may be attended to; None for everywhere.
            when: the queries are, ``(n, ...)``; None if time does not matter.

        Returns:
            ``(b, n, d)``
        """
        queries = self._split(query) if when is None else when(self._split(query))
        mask = None if valid is None else valid[:, None, None, :]  # (b, 1, 1, t)
        return self._weigh(queries, memory.keys, memory.values, mask).transpose(1, 2).flatten(2)

    def _weigh(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
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
