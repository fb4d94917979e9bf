"""Interaction intention extraction, IIE (paper, section 3.3, Eq. 3)."""

from torch import Tensor, nn

from hero_core.models.attention import Attention, FeedForward
from hero_core.models.base import VideoFeatures
from hero_core.models.dropout import Dropout


class InteractionIntention(nn.Module):
    """One vector per clip: what is shown as a whole, refined by what its frames show.

    Cross-attention whose query is the clip's global feature and whose keys and values are its frame features (Eq. 3),
    then a feed-forward network. Both are pre-norm and residual, so the intention starts from the global feature.
    """

    def __init__(self, width: int = 512, heads: int = 8, dropout: float = 0.1, expansion: int = 4) -> None:
        super().__init__()
        self.query_norm = nn.LayerNorm(width)
        self.frames_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, expansion * width, hidden_dropout=0.0)
        self.dropout = Dropout(dropout)

    def forward(self, condition: VideoFeatures) -> Tensor:
        """The intention e of every clip, ``(b, d)``."""
        query = condition.global_feature[:, None]  # (b, 1, d)
        gathered = self.attention(self.query_norm(query), self.frames_norm(condition.frames))
        intention: Tensor = query + self.dropout(gathered)  # (b, 1, d)
        refined = self.feed_forward(self.feed_forward_norm(intention))
        intention = intention + self.dropout(refined)
        return intention.squeeze(1)  # (b, d)

    def frame_weights(self, condition: VideoFeatures) -> Tensor:
        """How much each head looks at each frame, ``(b, h, t)``; sums to 1 over the frames."""
        query = self.attention.query(self.query_norm(condition.global_feature[:, None]))  # (b, 1, d)
        memory = self.attention.look_at(self.frames_norm(condition.frames))
        return self.attention.weights(query, memory).squeeze(2)
