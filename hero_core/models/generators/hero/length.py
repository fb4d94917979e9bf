"""How long a reaction is: a distribution over token counts from the video. HERO itself is told the length."""

from typing import Any, ClassVar, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from hero_core.config import parse_config
from hero_core.errors import ConfigError
from hero_core.models.base import Batch, TrainingFacts, VideoFeatures
from hero_core.models.dropout import Dropout
from hero_core.models.generators.hero.intention import ConditionConfig, condition_vector, intention_of
from hero_core.models.positions import sinusoidal_positions
from hero_core.motion.format import FPS, FRAMES_PER_TOKEN


class LengthConfig(ConditionConfig):
    """Settings of the length head.

    Attributes:
        width: of its hidden layer, and of the code of the clip's duration.
        dropout: before and behind the hidden layer, in training.
        max_tokens: longest reaction, in tokens of four frames.
        use_iie: look at an interaction intention of its own, else at the plain global feature.
        use_duration: also look at how long the clip is: from its first sampled frame to its last.
    """

    of_weights: ClassVar[frozenset[str]] = frozenset(
        {"width", "max_tokens", "feature_dim", "use_iie", "intention_heads", "use_duration"}
    )

    width: PositiveInt = 128
    dropout: float = Field(default=0.2, ge=0, lt=1)
    max_tokens: PositiveInt = 50
    use_iie: bool = True
    use_duration: bool = True

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.width % 2:
            raise ValueError(f"width {self.width} must be even")
        return self


class LengthHead(nn.Module):
    """Classifies a video by how many tokens its reaction has: one layer over the intention and the clip's duration."""

    kind: ClassVar[str] = "hero-length"
    settings: ClassVar[type[LengthConfig]] = LengthConfig
    trained_on: ClassVar[Literal["pairs"]] = "pairs"
    encoded_by: ClassVar[None] = None
    metric: ClassVar[str] = "total"
    validation_draws: ClassVar[int] = 1
    recordable: ClassVar[bool] = True
    blocks: ClassVar[tuple[type[Any], ...]] = ()

    def __init__(self, config: LengthConfig) -> None:
        super().__init__()
        self.config = config
        self.intention = intention_of(config)
        self.feature_norm = nn.LayerNorm(config.feature_dim)
        self.feature_projection = nn.Linear(config.feature_dim, config.width)
        self.duration_projection = nn.Linear(config.width, config.width) if config.use_duration else None
        self.dropout = Dropout(config.dropout)
        self.head = nn.Linear(config.width, config.max_tokens)
        self.durations: Tensor
        durations = sinusoidal_positions(config.max_tokens + 1, config.width)
        self.register_buffer("durations", durations, persistent=False)

    @classmethod
    def build(cls, config: LengthConfig, facts: TrainingFacts) -> Self:
        """A new head for the features of the data.

        Raises:
            ConfigError: impossible sizes, or longer motions than ``max_tokens``.
        """
        needed = facts.longest_frames // FRAMES_PER_TOKEN
        if needed > config.max_tokens:
            raise ConfigError(
                f"there are motions of {facts.longest_frames} frames, which need length.model.max_tokens of at least "
                f"{needed}, but it is {config.max_tokens}"
            )
        decided = config.model_dump() | {"feature_dim": facts.feature_dim}
        return cls(parse_config(LengthConfig, decided, "length.model"))

    def logits(self, condition: VideoFeatures) -> Tensor:
        """``(b, max_tokens)``, of 1 to ``max_tokens`` tokens."""
        feature = condition_vector(condition, self.intention)
        hidden = self.feature_projection(self.dropout(self.feature_norm(feature)))  # (b, width)
        if self.duration_projection is not None:
            hidden = hidden + self.duration_projection(self.durations[self._tokens_shown(condition)])
        logits: Tensor = self.head(self.dropout(F.gelu(hidden)))
        return logits

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Losses of one training step; ``rng`` is not used.

        Args:
            batch: its lengths are what is learned; the motions are not looked at.

        Returns:
            ``total``, the mean negative log-likelihood of the token counts, and ``error_seconds``, by how much
            :meth:`choose` misses them in the mean.
        """
        own = batch.ranks.own
        logits = self.logits(batch.video.map(own))
        tokens = own(batch.lengths) // FRAMES_PER_TOKEN  # (b,)
        missed = (_medians(logits) - tokens).abs().float().mean()
        return {
            "total": F.cross_entropy(logits, tokens - 1),
            "error_seconds": missed * (FRAMES_PER_TOKEN / FPS),
        }

    @torch.no_grad()
    def choose(self, condition: VideoFeatures) -> Tensor:
        """How many tokens the reactions have, ``(b,)``: the median of each distribution, which misses by the least."""
        return _medians(self.logits(condition))

    def _tokens_shown(self, condition: VideoFeatures) -> Tensor:
        """The duration of each clip in tokens, ``(b,)``, as far as there are codes for it."""
        seconds = condition.times.amax(dim=1) - condition.times.amin(dim=1)  # (b,)
        tokens = (seconds * (FPS / FRAMES_PER_TOKEN)).round().long()
        return tokens.clamp(max=self.config.max_tokens)


def _medians(logits: Tensor) -> Tensor:
    """The median count of each of the distributions ``(b, counts)`` of 1 and more, ``(b,)``."""
    below = logits.softmax(dim=-1).cumsum(dim=-1) < 0.5  # (b, counts)
    return below.sum(dim=-1).clamp(max=logits.shape[-1] - 1) + 1
