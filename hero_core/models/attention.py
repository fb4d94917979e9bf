"""The two halves of every block: multi-head attention and the feed-forward network."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hero_core.models.dropout import Dropout
from hero_core.models.rotary import Rotation

_BIAS_MULTIPLE = 16  # numbers


class Memory(NamedTuple):
    """What queries look at, ready for any number of them: keys and values of every head, ``(b, h, t, d / h)``."""

    keys: Tensor
    values: Tensor


class Attention(nn.Module):
    """Multi-head scaled dot-product attention, batch first, with dropout on the attention weights.

    Query, key and value come from one layer, in this order, so that attention to oneself takes one product for all.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = Dropout(dropout)
        self.inputs = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, queries: Tensor, context: Tensor) -> Tensor:
        """What each of the queries ``(b, n, d)`` gathers from the context ``(b, t, d)``, ``(b, n, d)``."""
        gathered: Tensor = self.out(self.gather(self.query(queries), self.look_at(context)))  # (b, n, d)
        return gathered

    def query(self, x: Tensor) -> Tensor:
        """``(..., d)`` -> ``(..., d)``, for :meth:`gather`."""
        width = x.shape[-1]
        return F.linear(x, self.inputs.weight[:width], self.inputs.bias[:width])

    def look_at(self, context: Tensor, when: Rotation | None = None) -> Memory:
        """The context ``(b, t, d)`` as :meth:`gather` wants it; ``when`` ``(b, 1, t, ...)`` turns its keys."""
        width = context.shape[-1]
        both = F.linear(context, self.inputs.weight[width:], self.inputs.bias[width:])  # (b, t, 2 * d)
        keys, values = map(self._split, both.chunk(2, dim=-1))
        return Memory(keys if when is None else when(keys), values)

    def gather_own(self, inputs: Tensor, bias: Tensor | None) -> Tensor:
        """:meth:`gather` of positions whose ``inputs`` are ``(b, n, 3 * d)``, from each other."""
        query, keys, values = inputs.chunk(3, dim=-1)
        return self.gather(query, Memory(self._split(keys), self._split(values)), bias)

    def gather(
        self, query: Tensor, memory: Memory, bias: Tensor | None = None, when: Rotation | None = None
    ) -> Tensor:
        """What lies between the projections of queries and results.

        Args:
            query: ``(b, n, d)``.
            memory: of ``t`` places.
            bias: see :func:`attention_bias`; None where all of the memory may be attended to.
            when: the queries are, ``(n, ...)``; None if time does not matter.

        Returns:
            ``(b, n, d)``
        """
        queries = self._split(query) if when is None else when(self._split(query))
        return self._weigh(queries, memory.keys, memory.values, bias).transpose(1, 2).flatten(2)

    def weights(self, query: Tensor, memory: Memory, when: Rotation | None = None) -> Tensor:
        """How much each query looks at each place of the memory in :meth:`gather`: ``(b, h, n, t)``, rows sum to 1."""
        queries = self._split(query) if when is None else when(self._split(query))
        logits: Tensor = queries @ memory.keys.mT * queries.shape[-1] ** -0.5
        return logits.softmax(dim=-1)

    def _weigh(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
        p = self.dropout.p if self.training else 0.0
        if p == 0 or query.device.type != "cpu":
            return F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=p)
        # No fused kernel has dropout on a CPU; by hand, the masks are cheap ones.
        logits = query @ key.mT * query.shape[-1] ** -0.5  # (b, h, n, t)
        weights = (logits if bias is None else logits + bias).softmax(dim=-1)
        gathered: Tensor = self.dropout(weights) @ value
        return gathered

    def _split(self, x: Tensor) -> Tensor:
        batch, size, width = x.shape
        return x.view(batch, size, self.heads, width // self.heads).transpose(1, 2)  # (b, h, n, d/h)


def attention_bias(valid: Tensor, dtype: torch.dtype) -> Tensor:
    """What keeps attention to the True places of ``valid`` ``(b, t)``: ``(b, 1, 1, t)``, added to the logits.

    Its rows start at whole multiples of what the fused kernels read at once, else every call would copy it there.
    """
    batch, size = valid.shape
    room = -(-size // _BIAS_MULTIPLE) * _BIAS_MULTIPLE
    bias = torch.zeros(batch, 1, 1, room, dtype=dtype, device=valid.device)[..., :size]
    return bias.masked_fill_(~valid[:, None, None], -torch.inf)


class FeedForward(nn.Sequential):
    """Linear, exact GELU, dropout, linear. ``hidden_dropout`` is the one between the two linears."""

    def __init__(self, width: int, hidden_width: int, hidden_dropout: float) -> None:
        super().__init__(
            nn.Linear(width, hidden_width),
            nn.GELU(),
            Dropout(hidden_dropout),
            nn.Linear(hidden_width, width),
        )
