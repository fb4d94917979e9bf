"""Interaction intention extraction, IIE (paper, section 3.3, Eq. 3)."""

from typing import Self

from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from hero_core.config import Config
from hero_core.models.attention import Attention, FeedForward
from hero_core.models.base import VideoFeatures
from hero_core.models.dropout import Dropout


class ConditionConfig(Config):
    """Settings of a part that takes one vector of a video.

    Attributes:
        feature_dim: of the video features; in training, the data's.
        use_iie: take the interaction intention, else the plain global feature.
        intention_heads: attention heads of the interaction intention.
        intention_dropout: in it, in training.
    """

    feature_dim: PositiveInt = 512
    use_iie: bool = False
    intention_heads: PositiveInt = 8
    intention_dropout: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _intention_fits(self) -> Self:
        if self.use_iie and self.feature_dim % self.intention_heads:
            raise ValueError(
                f"feature_dim {self.feature_dim} must be divisible by intention_heads {self.intention_heads}"
            )
        return self


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


def intention_of(config: ConditionConfig) -> InteractionIntention | None:
    """A new interaction intention, where the settings ask for one."""
    if not config.use_iie:
        return None
    return InteractionIntention(config.feature_dim, config.intention_heads, config.intention_dropout)


def condition_vector(condition: VideoFeatures, intention: InteractionIntention | None) -> Tensor:
    """One vector for each clip, ``(b, d)``: its intention, or its global feature."""
    if intention is None:
        return condition.global_feature
    vector: Tensor = intention(condition)
    return vector
