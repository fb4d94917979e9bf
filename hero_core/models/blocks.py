"""The transformer block that most generators are made of: self-attention and a feed-forward network."""

import torch
from torch import Tensor, nn

from hero_core.models.attention import Attention, FeedForward
from hero_core.models.dropout import Dropout


class Block(nn.Module):
    """Self-attention and a feed-forward network with exact GELU, each residual, as ``nn.TransformerEncoderLayer``.

    Args:
        width: of the sequence.
        heads: of the attention.
        ff_size: hidden width of the feed-forward network.
        dropout: on attention weights, in the feed-forward network and on what each half adds.
        norm_first: normalise what each half reads (pre-norm), instead of the sum behind it (post-norm).
    """

    def __init__(
        self, width: int, heads: int, ff_size: int, dropout: float, norm_first: bool = False
    ) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.attention = Attention(width, heads, dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, ff_size, dropout)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """``(b, n, d)`` -> the same shape.

        Args:
            x: sequences.
            bias: added to the attention's logits, ``(b, 1, 1 or n, n)``: of ``attention_bias`` for padded sequences,
                of :func:`bias_of` for any other rule; None where all may be attended to.
        """
        if self.norm_first:
            x = x + self.dropout(self._attend(self.attention_norm(x), bias))
            fed: Tensor = x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
            return fed
        x = self.attention_norm(x + self.dropout(self._attend(x, bias)))
        output: Tensor = self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))
        return output

    def _attend(self, x: Tensor, bias: Tensor | None) -> Tensor:
        gathered: Tensor = self.attention.out(self.attention.gather_own(self.attention.inputs(x), bias))
        return gathered


def bias_of(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    """What lets position i attend to j only where ``allowed`` ``(b, n, n)`` is True, ``(b, 1, n, n)``."""
    return torch.zeros(allowed.shape, dtype=dtype, device=allowed.device).masked_fill_(~allowed, -torch.inf)[
        :, None
    ]
