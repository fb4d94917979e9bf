"""What HERO's two transformers share: a decoder over motion tokens that watches a video (paper, section 3.3)."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Self

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from hero_core.config import Config
from hero_core.errors import ConfigError, InputError
from hero_core.models.attention import Attention, Clock, FeedForward
from hero_core.models.base import TrainingFacts, VideoFeatures
from hero_core.models.dropout import Dropout
from hero_core.models.generators.hero.intention import InteractionIntention
from hero_core.models.rotary import Rotation
from hero_core.motion.format import FPS, FRAMES_PER_TOKEN

INIT_STD = 0.02


class TransformerConfig(Config):
    """Sizes and switches of both transformers. The defaults are the paper's model.

    Attributes:
        codebook_size: motion codes of one quantizer layer; in training, the tokenizer's.
        code_dim: width of the learned token embeddings.
        latent_dim: width of the decoder.
        ff_size: hidden width of its feed-forward networks.
        layers: its units.
        heads: attention heads of each unit.
        dropout: in the units, in training.
        max_tokens: longest sequence, in tokens of four frames.
        feature_dim: of the video features; in training, the data's.
        intention_heads: attention heads of the interaction intention.
        intention_dropout: in it, in training.
        condition_drop: share of training samples whose condition is dropped, for classifier-free guidance.
        use_iie: build the condition token from the interaction intention, else from the plain global feature.
        use_die: give every unit a cross-attention to the frame features (dynamic information, Eq. 4), else none.
        frame_time: what the attention to the frames knows of time. ``none``: nothing, so that the frames are a set
            whose order cannot be seen, as in the official release. ``rotary``: how far each frame is from each motion
            token, in seconds. ``auto``: rotary where the data set says that its motions run at the same time as its
            videos, none elsewhere; decided when training begins.
        guidance_keeps_frames: dropping the condition drops only the condition token, and units still see the frames,
            as in the official release. False drops the frames too, in training and in guidance.
    """

    official_values: ClassVar[Mapping[str, Any]] = {"guidance_keeps_frames": True}

    codebook_size: PositiveInt = 512
    code_dim: PositiveInt = 512
    latent_dim: PositiveInt = 384
    ff_size: PositiveInt = 1024
    layers: PositiveInt = 6
    heads: PositiveInt = 6
    dropout: float = Field(default=0.2, ge=0, lt=1)
    max_tokens: PositiveInt = 50
    feature_dim: PositiveInt = 512
    intention_heads: PositiveInt = 8
    intention_dropout: float = Field(default=0.1, ge=0, lt=1)
    condition_drop: float = Field(default=0.1, ge=0, lt=1)
    use_iie: bool = True
    use_die: bool = True
    frame_time: Literal["none", "rotary", "auto"] = "auto"
    guidance_keeps_frames: bool = True

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Self:
        if self.latent_dim % self.heads or self.latent_dim % 2:
            raise ValueError(f"latent_dim {self.latent_dim} must be even and divisible by heads {self.heads}")
        if self.use_iie and self.feature_dim % self.intention_heads:
            raise ValueError(
                f"feature_dim {self.feature_dim} must be divisible by intention_heads {self.intention_heads}"
            )
        if self.frame_time == "rotary" and (self.latent_dim // self.heads) % 2:
            raise ValueError(
                f"frame_time rotary needs an even width per head: latent_dim {self.latent_dim} / heads {self.heads}"
            )
        return self


class Context(NamedTuple):
    """A condition as the decoder sees it; it stays the same over all steps of a generation.

    Attributes:
        token: ``(b, 1, latent)``, first in every sequence.
        memory: ``(b, t, latent)``, the frames that every unit looks at.
        times: ``(b, t)``, when they are shown, in seconds from the first frame of the motion.
    """

    token: Tensor
    memory: Tensor
    times: Tensor


class DecoderUnit(nn.Module):
    """Self-attention, cross-attention to the frames (DIE, Eq. 4) and a feed-forward network, each post-norm."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width, heads, dropout = config.latent_dim, config.heads, config.dropout
        self.self_attention = Attention(width, heads, dropout)
        self.self_attention_norm = nn.LayerNorm(width)
        self.frame_attention = Attention(width, heads, dropout) if config.use_die else None
        self.frame_attention_norm = nn.LayerNorm(width) if config.use_die else None
        self.feed_forward = FeedForward(width, config.ff_size, dropout)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, valid: Tensor, memory: Tensor, clock: Clock | None) -> Tensor:
        """One step over the sequence ``(b, n, latent)``, of which ``valid`` ``(b, n)`` positions can be attended to."""
        x = self.self_attention_norm(x + self.dropout(self.self_attention(x, x, valid)))
        if self.frame_attention is not None and self.frame_attention_norm is not None:
            x = self.frame_attention_norm(x + self.dropout(self.frame_attention(x, memory, clock=clock)))
        output: Tensor = self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))
        return output


class VideoDecoder(nn.Module):
    """Bidirectional decoder units over [condition token | motion tokens]."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.intention = (
            InteractionIntention(config.feature_dim, config.intention_heads, config.intention_dropout)
            if config.use_iie
            else None
        )
        self.condition_projection = nn.Linear(config.feature_dim, config.latent_dim)
        self.token_projection = nn.Linear(config.code_dim, config.latent_dim)
        self.token_dropout = Dropout(config.dropout)
        self.units = nn.ModuleList(DecoderUnit(config) for _ in range(config.layers))
        self.positions: Tensor
        self.register_buffer(
            "positions", sinusoidal_positions(config.max_tokens, config.latent_dim), persistent=False
        )

    def context(self, condition: VideoFeatures, keep: Tensor) -> Context:
        """Project the condition of a batch; where ``keep`` ``(b,)`` is False it is dropped.

        A dropped feature becomes zero, so that only the bias of the projection is left of it.
        """
        token = condition.global_feature if self.intention is None else self.intention(condition)  # (b, d)
        token = token * keep[:, None]
        frames = condition.frames  # (b, t, d)
        if not self.config.guidance_keeps_frames:
            frames = frames * keep[:, None, None]
        return Context(
            self.condition_projection(token)[:, None],  # (b, 1, latent)
            self.condition_projection(frames),  # (b, t, latent)
            condition.times,
        )

    def forward(self, tokens: Tensor, valid: Tensor, prefix: Tensor, context: Context) -> Tensor:
        """Hidden states of the motion tokens.

        Args:
            tokens: ``(b, n, code_dim)``, embedded.
            valid: ``(b, n)``, True before the padding.
            prefix: ``(b, p, latent)``, goes in front, without positions.
            context: of which the frames and their times are used here.

        Returns:
            ``(b, n, latent)``

        Raises:
            InputError: more tokens than ``config.max_tokens``.
        """
        count = tokens.shape[1]
        if count > self.config.max_tokens:
            raise InputError(
                f"{count} motion tokens, but this model was made for at most {self.config.max_tokens}"
            )
        motion = self.token_dropout(self.token_projection(tokens) + self.positions[:count])  # (b, n, latent)
        sequence = torch.cat([prefix, motion], dim=1)  # (b, p + n, latent)
        valid = F.pad(valid, (prefix.shape[1], 0), value=True)  # (b, p + n)
        clock = self._clock(prefix.shape[1], count, context.times)
        for unit in self.units:
            sequence = unit(sequence, valid, context.memory, clock)
        return sequence[:, prefix.shape[1] :]

    def _clock(self, prefix: int, tokens: int, frame_times: Tensor) -> Clock | None:
        """When the sequence and the frames are; the prefix has no time, so it is not rotated."""
        if self.config.frame_time != "rotary":
            return None
        width = self.config.latent_dim // self.config.heads
        seconds = F.pad(token_times(tokens, frame_times.device), (prefix, 0))  # (p + n,)
        return Clock(Rotation.of(seconds, width), Rotation.of(frame_times[:, None], width))


class OutputHead(nn.Sequential):
    """From hidden states ``(b, n, latent)`` to ``(b, n, out_dim)``."""

    def __init__(self, latent_dim: int, out_dim: int) -> None:
        super().__init__(
            nn.Linear(latent_dim, latent_dim),
            nn.GELU(),
            nn.LayerNorm(latent_dim, eps=1e-12),
            nn.Linear(latent_dim, out_dim),
        )


def sinusoidal_positions(count: int, width: int) -> Tensor:
    """Position codes ``(count, width)``: sines in the even columns, cosines in the odd ones."""
    frequencies = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))  # (width / 2,)
    angles = torch.arange(count)[:, None] * frequencies  # (count, width / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)  # (count, width)


def token_times(count: int, device: torch.device) -> Tensor:
    """When the first ``count`` motion tokens are, ``(count,)``: the middles of their four frames, in seconds."""
    first = (FRAMES_PER_TOKEN - 1) / 2  # frames
    return (torch.arange(count, device=device) * FRAMES_PER_TOKEN + first) / FPS


def decided_frame_time(config: TransformerConfig, facts: TrainingFacts) -> str:
    """``rotary`` or ``none``, whatever the settings leave to the data."""
    if config.frame_time != "auto":
        return config.frame_time
    return "rotary" if facts.synchronous else "none"


def require_room(config: TransformerConfig, facts: TrainingFacts, section: str) -> None:
    """Refuse to learn from longer motions than the model can hold.

    Raises:
        ConfigError: naming ``section`` and the smallest ``max_tokens``.
    """
    needed = facts.longest_frames // FRAMES_PER_TOKEN
    if needed > config.max_tokens:
        raise ConfigError(
            f"there are motions of {facts.longest_frames} frames, which need {section}.max_tokens of at least "
            f"{needed}, but it is {config.max_tokens}"
        )


def token_losses(logits: Tensor, targets: Tensor, scored: Tensor) -> dict[str, Tensor]:
    """Negative log-likelihood (Eq. 2) and accuracy, each a mean over the batch's ``scored`` positions.

    Args:
        logits: ``(b, n, classes)``.
        targets: ``(b, n)`` ids.
        scored: ``(b, n)`` bool; without a single True both results are zero.
    """
    count = scored.sum().clamp(min=1)
    ignored = -100
    labels = targets.masked_fill(~scored, ignored)
    summed = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=ignored, reduction="sum")
    right = (logits.argmax(dim=-1) == targets) & scored
    return {"total": summed / count, "accuracy": right.sum() / count}


def initialise(model: nn.Module) -> None:
    """The official initial weights: N(0, 0.02) and zero biases, but Xavier for the units' attention inputs.

    Every unit gets weights of its own; the official units start as copies of one.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=INIT_STD)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
    for module in model.modules():
        if isinstance(module, DecoderUnit):
            for attention in (module.self_attention, module.frame_attention):
                if attention is not None:
                    _initialise_attention_inputs(attention)


def _initialise_attention_inputs(attention: Attention) -> None:
    # as if query, key and value were one (3d, d) matrix, whose Xavier bound is smaller by sqrt(2) than a (d, d) one's
    for projection in (attention.query, attention.key, attention.value):
        nn.init.xavier_uniform_(projection.weight, gain=1 / math.sqrt(2))
