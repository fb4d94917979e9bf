"""The two halves of every block: multi-head attention and the feed-forward network."""

import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head scaled dot-product attention, batch first, with dropout on the attention weights."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, queries: Tensor, context: Tensor, valid: Tensor | None = None) -> Tensor:
        """What each query gathers from the context.

        Args:
            queries: ``(b, n, d)``.
            context: ``(b, t, d)``, the source of keys and values.
            valid: ``(b, t)``, True where the context may be attended to; None for everywhere.

        Returns:
            ``(b, n, d)``
        """
        mask = None if valid is None else valid[:, None, None, :]  # (b, 1, 1, t)
        gathered = F.scaled_dot_product_attention(
            self._split(self.query(queries)),
            self._split(self.key(context)),
            self._split(self.value(context)),
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
        )  # (b, h, n, d/h)
        joined: Tensor = self.out(gathered.transpose(1, 2).flatten(2))  # (b, n, d)
        return joined

    def _split(self, x: Tensor) -> Tensor:
        batch, size, width = x.shape
        return x.view(batch, size, self.heads, width // self.heads).transpose(1, 2)  # (b, h, n, d/h)


class FeedForward(nn.Sequential):
    """Linear, exact GELU, dropout, linear. ``hidden_dropout`` is the one between the two linears."""

    def __init__(self, width: int, hidden_width: int, hidden_dropout: float) -> None:
        super().__init__(
            nn.Linear(width, hidden_width),
            nn.GELU(),
            nn.Dropout(hidden_dropout),
            nn.Linear(hidden_width, width),
        )
