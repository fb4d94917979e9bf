"""The transformer of MLD's three networks: blocks whose second half also reads what the first half made."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from hero_core.models.attention import Attention
from hero_core.models.blocks import Block
from hero_core.models.positions import sinusoidal_positions


class SkipTransformer(nn.Module):
    """An odd number of blocks; each behind the middle one reads the last one's output and its mirror image's."""

    def __init__(self, make_block: Callable[[], nn.Module], layers: int, width: int) -> None:
        super().__init__()
        half = (layers - 1) // 2
        self.first = nn.ModuleList(make_block() for _ in range(half))
        self.middle = make_block()
        self.last = nn.ModuleList(make_block() for _ in range(half))
        self.joins = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(half))
        self.norm = nn.LayerNorm(width)
        self._initialise()

    def forward(self, x: Tensor, *others: Any) -> Tensor:
        """``(b, n, d)`` -> the same shape; ``others`` are what every block takes besides."""
        passed = []
        for block in self.first:
            x = block(x, *others)
            passed.append(x)
        x = self.middle(x, *others)
        for join, block in zip(self.joins, self.last, strict=True):
            x = block(join(torch.cat([x, passed.pop()], dim=-1)), *others)
        output: Tensor = self.norm(x)
        return output

    def _initialise(self) -> None:
        """The published initial weights: every matrix from Xavier, and attention without biases."""
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        for module in self.modules():
            if isinstance(module, Attention):
                nn.init.zeros_(module.inputs.bias)
                nn.init.zeros_(module.out.bias)


class CrossBlock(Block):
    """A post-norm block that between its two halves looks at a memory."""

    def __init__(self, width: int, heads: int, ff_size: int, dropout: float) -> None:
        super().__init__(width, heads, ff_size, dropout)
        self.cross_attention = Attention(width, heads, dropout)
        self.cross_attention_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, bias: Tensor | None, memory: Tensor) -> Tensor:  # type: ignore[override]
        """``(b, n, d)`` -> the same shape, with a ``memory`` ``(b, t, d)`` that is seen as a whole."""
        x = self.attention_norm(x + self.dropout(self._attend(x, bias)))
        x = self.cross_attention_norm(x + self.dropout(self.cross_attention(x, memory)))
        output: Tensor = self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))
        return output


class LearnedPositions(nn.Module):
    """A learned vector for every position of a sequence.

    Args:
        rows: longest sequence.
        width: of the vectors.
        sinusoidal: start from sines and cosines, where neighbours are alike, instead of uniform random numbers.
    """

    def __init__(self, rows: int, width: int, sinusoidal: bool = False) -> None:
        super().__init__()
        self.table = nn.Parameter(
            sinusoidal_positions(rows, width) if sinusoidal else torch.rand(rows, width)
        )

    def forward(self, count: int) -> Tensor:
        """Those of the first positions, ``(count, d)``."""
        return self.table[:count]
