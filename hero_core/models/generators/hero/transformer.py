"""What HERO's two transformers share: a decoder over motion tokens that watches a video (paper, section 3.3)."""

from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any, ClassVar, Literal, NamedTuple, Self, cast

import torch
import torch.nn.functional as F
from pydantic import PositiveInt, model_validator
from torch import Tensor, nn

from hero_core.errors import ConfigError, InputError
from hero_core.models.attention import Attention, FeedForward, Memory, attention_bias
from hero_core.models.base import TrainingFacts, VideoFeatures
from hero_core.models.blocks import Block
from hero_core.models.dropout import Dropout
from hero_core.models.generators.hero.intention import condition_vector, intention_of
from hero_core.models.generators.hero.sizes import TokenTransformerConfig
from hero_core.models.padding import Packing
from hero_core.models.positions import sinusoidal_positions
from hero_core.models.precision import product_dtype
from hero_core.models.rotary import Rotation
from hero_core.motion.format import FPS, FRAMES_PER_TOKEN

INIT_STD = 0.02


class TransformerConfig(TokenTransformerConfig):
    """Sizes and switches of both transformers. The defaults are the paper's model.

    Attributes:
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
    of_weights: ClassVar[frozenset[str]] = TokenTransformerConfig.of_weights | {"use_die"}

    layers: PositiveInt = 6
    use_iie: bool = True
    use_die: bool = True
    frame_time: Literal["none", "rotary", "auto"] = "auto"
    guidance_keeps_frames: bool = True

    @model_validator(mode="after")
    def _heads_can_turn(self) -> Self:
        if self.frame_time == "rotary" and (self.latent_dim // self.heads) % 2:
            raise ValueError(
                f"frame_time rotary needs an even width per head: latent_dim {self.latent_dim} / heads {self.heads}"
            )
        return self


class Context(NamedTuple):
    """A condition as the decoder sees it; it stays the same over all steps of a generation.

    Attributes:
        token: ``(b, 1, latent)``, first in every sequence.
        frames: what every unit looks at, ``(b, t, latent)`` as keys and values of its own; empty without DIE.
    """

    token: Tensor
    frames: tuple[Memory, ...]


class Hidden(NamedTuple):
    """What the decoder makes of a batch of sequences.

    Attributes:
        packed: ``(v, latent)``, the positions that were computed.
        packing: where they are.
        before: positions in front of the motion tokens.
    """

    packed: Tensor
    packing: Packing
    before: int

    def of_tokens(self, packed: Tensor) -> Tensor:
        """What was made of each packed position ``(v, d)``, as ``(b, n, d)`` motion tokens."""
        return self.packing.unpack(packed)[:, self.before :]


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

    def forward(
        self, x: Tensor, packing: Packing, bias: Tensor, frames: Memory | None, when: Rotation | None
    ) -> Tensor:
        """One step over the packed positions ``(v, latent)`` of a batch of sequences.

        Args:
            x: the positions.
            packing: where they are.
            bias: of the valid ones, which can be attended to.
            frames: see :meth:`look_at`; None without DIE.
            when: the positions are, ``(n, ...)``, if the frames know when they are.
        """
        x = self._of_each_other(x, packing, bias)
        if frames is not None and self.frame_attention is not None and self.frame_attention_norm is not None:
            query = packing.unpack(self.frame_attention.query(x))
            gathered = packing.pack(self.frame_attention.gather(query, frames, when=when))
            x = self.frame_attention_norm(x + self.dropout(self.frame_attention.out(gathered)))
        output: Tensor = self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))
        return output

    def frame_weights(
        self, x: Tensor, packing: Packing, bias: Tensor, frames: Memory, when: Rotation | None
    ) -> Tensor:
        """How much each position of :meth:`forward` looks at each frame, mean over heads: ``(b, n, t)``."""
        if self.frame_attention is None:
            raise ValueError("this unit was made without DIE")
        query = packing.unpack(self.frame_attention.query(self._of_each_other(x, packing, bias)))
        return self.frame_attention.weights(query, frames, when).mean(dim=1)

    def _of_each_other(self, x: Tensor, packing: Packing, bias: Tensor) -> Tensor:
        """Self-attention; positions ``(v, latent)``."""
        own = self.self_attention
        gathered = own.gather_own(packing.unpack(own.inputs(x)), bias)  # (b, n, d)
        attended: Tensor = self.self_attention_norm(x + self.dropout(own.out(packing.pack(gathered))))
        return attended

    def look_at(self, frames: Tensor, when: Rotation | None) -> Memory | None:
        """Frames ``(b, t, latent)`` as this unit remembers them; None without DIE."""
        return None if self.frame_attention is None else self.frame_attention.look_at(frames, when)


class VideoDecoder(nn.Module):
    """Bidirectional decoder units over [condition token | motion tokens]."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.intention = intention_of(config)
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
        token = condition_vector(condition, self.intention)  # (b, d)
        token = token * keep[:, None]
        frames = condition.frames  # (b, t, d)
        if not self.config.guidance_keeps_frames:
            frames = frames * keep[:, None, None]
        watched = self.condition_projection(frames)  # (b, t, latent)
        shown = self._when(lambda: condition.times[:, None])
        memories = [cast(DecoderUnit, unit).look_at(watched, shown) for unit in self.units]
        return Context(
            self.condition_projection(token)[:, None],  # (b, 1, latent)
            tuple(memory for memory in memories if memory is not None),
        )

    def forward(
        self,
        tokens: Tensor,
        valid: Tensor,
        prefix: Tensor,
        context: Context,
        most_valid: int | None = None,
    ) -> Hidden:
        """Hidden states of the prefix and the motion tokens.

        Args:
            tokens: ``(b, n, code_dim)``, embedded.
            valid: ``(b, n)``, True before the padding.
            prefix: ``(b, p, latent)``, goes in front, without positions.
            context: of which the frames are used here.
            most_valid: True in ``valid`` at most; so many are computed, whichever they are. None computes on a CPU
                just the valid ones, elsewhere all, so that nothing waits for the count.

        Returns:
            hidden states without meaning in the padding.

        Raises:
            InputError: more tokens than ``config.max_tokens``.
        """
        packed, packing, bias, when = self._begin(tokens, valid, prefix, most_valid)
        for unit, frames in zip_longest(self.units, context.frames):
            packed = unit(packed, packing, bias, frames, when)
        return Hidden(packed, packing, prefix.shape[1])

    def frame_weights(self, tokens: Tensor, valid: Tensor, prefix: Tensor, context: Context) -> Tensor | None:
        """How much each motion token of :meth:`forward` looks at each frame, ``(b, n, t)``; None without DIE.

        The mean over heads and units; every row sums to 1.
        """
        if not context.frames:
            return None
        packed, packing, bias, when = self._begin(tokens, valid, prefix)
        weights = []
        for module, frames in zip(self.units, context.frames, strict=True):
            unit = cast(DecoderUnit, module)
            weights.append(unit.frame_weights(packed, packing, bias, frames, when))
            packed = unit(packed, packing, bias, frames, when)
        return torch.stack(weights).mean(dim=0)[:, prefix.shape[1] :]

    def _begin(
        self, tokens: Tensor, valid: Tensor, prefix: Tensor, most_valid: int | None = None
    ) -> tuple[Tensor, Packing, Tensor, Rotation | None]:
        """What the first unit gets: positions ``(v, latent)``, where they are, which are valid, and when they are."""
        count = tokens.shape[1]
        if count > self.config.max_tokens:
            raise InputError(
                f"{count} motion tokens, but this model was made for at most {self.config.max_tokens}"
            )
        motion = self.token_dropout(self.token_projection(tokens) + self.positions[:count])  # (b, n, latent)
        before = prefix.shape[1]
        most = None if most_valid is None else most_valid + len(tokens) * before
        packing = Packing.of(F.pad(valid, (before, 0), value=True), most)  # of (b, p + n)
        packed = packing.pack(torch.cat([prefix, motion], dim=1))  # (v, latent)
        bias = attention_bias(packing.valid, product_dtype(packed))
        when = self._when(
            lambda: F.pad(token_times(count, tokens.device), (before, 0))
        )  # the prefix has no time
        return packed, packing, bias, when

    def _when(self, seconds: Callable[[], Tensor]) -> Rotation | None:
        """Times ``(..., n)`` as rotations, if the attention to the frames knows of time."""
        if self.config.frame_time != "rotary":
            return None
        return Rotation.of(seconds(), self.config.latent_dim // self.config.heads)


class OutputHead(nn.Sequential):
    """From hidden states ``(v, latent)`` to ``(v, out_dim)``."""

    def __init__(self, latent_dim: int, out_dim: int) -> None:
        super().__init__(
            nn.Linear(latent_dim, latent_dim),
            nn.GELU(),
            nn.LayerNorm(latent_dim, eps=1e-12),
            nn.Linear(latent_dim, out_dim),
        )


def token_times(count: int, device: torch.device) -> Tensor:
    """When the first ``count`` motion tokens are, ``(count,)``: the middles of their four frames, in seconds."""
    first = (FRAMES_PER_TOKEN - 1) / 2  # frames
    return (torch.arange(count, device=device) * FRAMES_PER_TOKEN + first) / FPS


def decided_frame_time(config: TransformerConfig, facts: TrainingFacts) -> str:
    """``rotary`` or ``none``, whatever the settings leave to the data."""
    if config.frame_time != "auto":
        return config.frame_time
    return "rotary" if facts.synchronous else "none"


def require_room(max_tokens: int, facts: TrainingFacts, section: str) -> None:
    """Refuse to learn from longer motions than the model can hold.

    Raises:
        ConfigError: naming ``section`` and the smallest ``max_tokens``.
    """
    needed = facts.longest_frames // FRAMES_PER_TOKEN
    if needed > max_tokens:
        raise ConfigError(
            f"there are motions of {facts.longest_frames} frames, which need {section}.max_tokens of at least "
            f"{needed}, but it is {max_tokens}"
        )


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
            attentions = [module.self_attention, module.frame_attention]
        elif isinstance(module, Block):
            attentions = [module.attention]
        else:
            continue
        for attention in attentions:
            if attention is not None:
                nn.init.xavier_uniform_(attention.inputs.weight)
