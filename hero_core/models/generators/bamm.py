"""BAMM (Pinyoanuntapong et al., ECCV 2024), with a video where its text was: a bidirectional autoregressive model.

One transformer writes the base-layer tokens one after another until it draws END, so it also decides how long a
reaction is, and then writes some of them again in sight of those that stay. The finer layers are MoMask's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Self, cast

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from hero_core.config import Config, parse_config
from hero_core.models.base import Batch, Reactions, TrainingFacts, VideoFeatures, register
from hero_core.models.blocks import Block, bias_of
from hero_core.models.dropout import Dropout
from hero_core.models.generators.hero.hero import require_fit
from hero_core.models.generators.hero.intention import InteractionIntention
from hero_core.models.generators.hero.settings import ResidualSampling
from hero_core.models.generators.hero.transformer import OutputHead, initialise, require_room
from hero_core.models.generators.momask import MomaskResidual
from hero_core.models.lengths import whole_lengths
from hero_core.models.padding import valid_mask
from hero_core.models.positions import sinusoidal_positions
from hero_core.models.precision import product_dtype
from hero_core.models.ranks import ALONE, Ranks
from hero_core.models.sampling import (
    Guidance,
    Uniform,
    generating,
    lowest_ranks,
    sample_tokens,
    uniform_from,
)
from hero_core.models.tokenizers.codebook import NO_CODE
from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.motion.format import FRAMES_PER_TOKEN

GIVEN_CHANCE = 0.5
"""So many training batches are shown some tokens from the start."""

MOST_GIVEN = 0.5
"""Of a batch's tokens, at most this share."""

MOST_CORRUPT = 0.5
"""Of a batch's tokens, at most this share becomes a random code."""


class BammConfig(Config):
    """Settings of the transformer. The defaults are the published model's.

    Attributes:
        codebook_size: motion codes of the base layer; in training, the tokenizer's.
        code_dim: width of the learned token embeddings.
        latent_dim: width of the blocks.
        ff_size: hidden width of their feed-forward networks.
        layers: the blocks.
        heads: attention heads of each.
        dropout: in the blocks, in training.
        max_tokens: longest reaction, in tokens of four frames.
        feature_dim: of the video features; in training, the data's.
        condition_drop: share of training samples whose condition is dropped, for classifier-free guidance.
        use_iie: build the condition token from HERO's interaction intention instead of the plain global feature.
        intention_heads: attention heads of the interaction intention.
        intention_dropout: in it, in training.
    """

    codebook_size: PositiveInt = 512
    code_dim: PositiveInt = 512
    latent_dim: PositiveInt = 384
    ff_size: PositiveInt = 1024
    layers: PositiveInt = 8
    heads: PositiveInt = 6
    dropout: float = Field(default=0.2, ge=0, lt=1)
    max_tokens: PositiveInt = 50
    feature_dim: PositiveInt = 512
    condition_drop: float = Field(default=0.1, ge=0, lt=1)
    use_iie: bool = False
    intention_heads: PositiveInt = 8
    intention_dropout: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Self:
        if self.latent_dim % self.heads or self.latent_dim % 2:
            raise ValueError(f"latent_dim {self.latent_dim} must be even and divisible by heads {self.heads}")
        if self.use_iie and self.feature_dim % self.intention_heads:
            raise ValueError(
                f"feature_dim {self.feature_dim} must be divisible by intention_heads {self.intention_heads}"
            )
        return self


class BammSampling(ResidualSampling):
    """How reactions are generated. The defaults are the published evaluation's, except ``remake``.

    Attributes:
        guidance_scale: classifier-free guidance of the first pass; 1 is plain conditional generation, 0 unconditional.
        second_guidance_scale: the same of the second pass; the published code has 3 there, whatever it is asked for.
        temperature: 1 samples the predicted distribution, 0 takes its maximum.
        remake: which tokens the second pass writes again: ``least-confident``, the half that the first pass found least
            likely; ``every-second``; ``none``, without a second pass. The published code means the first of these, but
            its scores are all zero by then, so that it leaves the choice to how the machine sorts equal numbers.
        top_k_ratio: of the finer layers only, see above; here all codes are eligible.
    """

    guidance_scale: float = Field(default=4.0, ge=0)
    second_guidance_scale: float = Field(default=3.0, ge=0)
    temperature: float = Field(default=1.0, ge=0)
    remake: Literal["least-confident", "every-second", "none"] = "least-confident"


@dataclass(frozen=True)
class HybridDraws:
    """All that is random in one training step of ``(b, n)`` ids.

    Attributes:
        given_share: ``(1,)``, chance of each token to be given; 0 in the batches that are given none.
        give: ``(b, n)`` in [0, 1); tokens below ``given_share`` are given.
        corrupt: ``(b, n)`` bool, where a token becomes ``random_tokens`` ``(b, n)``, given or not.
        drop_condition: ``(b,)`` bool.
    """

    given_share: Tensor
    give: Tensor
    corrupt: Tensor
    random_tokens: Tensor
    drop_condition: Tensor

    @classmethod
    def draw(
        cls,
        shape: tuple[int, int],
        codebook_size: int,
        condition_drop: float,
        rng: torch.Generator,
        device: torch.device,
    ) -> Self:
        """Fresh draws for ids of this ``shape``."""
        uniform = uniform_from(rng, device)
        return cls(
            given_share=(uniform((1,)) < GIVEN_CHANCE) * MOST_GIVEN * uniform((1,)),
            give=uniform(shape),
            corrupt=uniform(shape) < MOST_CORRUPT * uniform((1,)),
            random_tokens=(uniform(shape) * codebook_size).long(),
            drop_condition=uniform(shape[:1]) < condition_drop,
        )


class Written(NamedTuple):
    """Base-layer tokens, as a pass leaves them.

    Attributes:
        tokens: ``(b, m)`` ids, of any values past each length; m is the longest length.
        lengths: ``(b,)``, in tokens.
        confidence: ``(b, m)``, probability of each when it was drawn.
    """

    tokens: Tensor
    lengths: Tensor
    confidence: Tensor


class BammTransformer(nn.Module):
    """Predicts every base-layer token, and END, from those before it, from those that are given, and from the video."""

    kind: ClassVar[str] = "bamm-transformer"
    settings: ClassVar[type[BammConfig]] = BammConfig
    trained_on: ClassVar[Literal["pairs"]] = "pairs"
    encoded_by: ClassVar[str] = "rvq"
    metric: ClassVar[str] = "total"
    validation_draws: ClassVar[int] = 4
    recordable: ClassVar[bool] = True
    blocks: ClassVar[tuple[type[Any], ...]] = (Block,)

    def __init__(self, config: BammConfig) -> None:
        super().__init__()
        self.config = config
        self.end_id = config.codebook_size
        width = config.latent_dim
        self.intention = (
            InteractionIntention(config.feature_dim, config.intention_heads, config.intention_dropout)
            if config.use_iie
            else None
        )
        self.condition_projection = nn.Linear(config.feature_dim, width)
        self.token_embedding = nn.Embedding(config.codebook_size + 1, config.code_dim)
        self.token_projection = nn.Linear(config.code_dim, width)
        self.dropout = Dropout(config.dropout)
        self.units = nn.ModuleList(
            Block(width, config.heads, config.ff_size, config.dropout) for _ in range(config.layers)
        )
        self.head = OutputHead(width, config.codebook_size + 1)
        self.positions: Tensor
        places = config.max_tokens + 2  # of the condition, the tokens and END
        self.register_buffer("positions", sinusoidal_positions(places, width), persistent=False)
        initialise(self)

    @classmethod
    def build(cls, config: BammConfig, facts: TrainingFacts) -> Self:
        """A new transformer for the codes of the tokenizer and the features of the data.

        Raises:
            ConfigError: impossible sizes, or longer motions than ``max_tokens``.
        """
        section = "autoregressive.model"
        require_room(config.max_tokens, facts, section)
        decided = {
            "codebook_size": facts.parts["rvq"].config.codebook_size,
            "feature_dim": facts.feature_dim,
        }
        return cls(parse_config(BammConfig, config.model_dump() | decided, section))

    def context(self, condition: VideoFeatures, keep: Tensor) -> Tensor:
        """The condition as the first position sees it, ``(b, latent)``; where ``keep`` ``(b,)`` is False it is dropped.

        A dropped feature becomes zero, so that only the bias of the projection is left of it.
        """
        token = condition.global_feature if self.intention is None else self.intention(condition)  # (b, d)
        projected: Tensor = self.condition_projection(token * keep[:, None])
        return projected

    def hidden(self, ids: Tensor, given: Tensor, context: Tensor) -> Tensor:
        """Hidden states ``(b, n + 1, latent)`` that ``head`` turns into logits of the ids ``(b, n)``, each from the
        position before its own, and of one more id.

        Args:
            ids: tokens, with END behind the last one.
            given: ``(b, n)``, True for the ids that every position may see. Anything behind END must not be.
            context: see there.
        """
        tokens = self.token_projection(self.token_embedding(ids))  # (b, n, latent)
        x: Tensor = torch.cat([context[:, None], tokens], dim=1)  # (b, n + 1, latent)
        x = self.dropout(x + self.positions[: x.shape[1]])
        bias = bias_of(hybrid_attention(F.pad(given, (1, 0), value=True)), product_dtype(x))
        for unit in self.units:
            x = unit(x, bias)
        return x

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Losses of one training step; in evaluation mode the condition is never dropped.

        Args:
            batch: base-layer ids are ``batch.tokens[..., 0]``; what stands past a sample's length is ignored.
            rng: decides which tokens are given and which are corrupted.

        Returns:
            ``total``, the negative log-likelihood of tokens and END, for each sample its mean, and their ``accuracy``.
        """
        tokens = batch.tokens[..., 0]  # (b, m)
        condition_drop = self.config.condition_drop if self.training else 0.0
        shape = tokens.shape[0], tokens.shape[1] + 1
        draws = HybridDraws.draw(shape, self.config.codebook_size, condition_drop, rng, tokens.device)
        lengths = batch.lengths // FRAMES_PER_TOKEN
        return self.likelihood(tokens, lengths, batch.video, draws, batch.ranks)

    def likelihood(
        self,
        tokens: Tensor,
        token_lengths: Tensor,
        condition: VideoFeatures,
        draws: HybridDraws,
        ranks: Ranks = ALONE,
    ) -> dict[str, Tensor]:
        """:meth:`losses` of base-layer ids ``(b, m)`` with these random draws; computes this rank's rows."""
        ids = self.with_end(tokens, token_lengths)  # (b, m + 1)
        scored = valid_mask(token_lengths + 1, ids.shape[1])
        given = (draws.give < draws.given_share) & scored
        inputs = torch.where(draws.corrupt & (ids != self.end_id), draws.random_tokens, ids)
        count = scored.sum() / ranks.world
        own = ranks.own
        context = self.context(condition.map(own), ~own(draws.drop_condition))
        logits = self.head(self.hidden(own(inputs), own(given), context)[:, :-1])  # (b, m + 1, codes + 1)
        ids, scored = own(ids), own(scored)
        errors = F.cross_entropy(logits.flatten(0, 1), ids.flatten(), reduction="none").view_as(ids)
        right = (logits.argmax(dim=-1) == ids) & scored
        of_samples = (errors * scored).sum(dim=1) / scored.sum(dim=1)  # (b,)
        return {"total": of_samples.mean(), "accuracy": right.sum() / count}

    def with_end(self, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """Tokens ``(b, m)`` with END from their length on, ``(b, m + 1)``."""
        valid = valid_mask(token_lengths, tokens.shape[1] + 1)
        return F.pad(tokens, (0, 1)).masked_fill(~valid, self.end_id)

    def generate(
        self,
        condition: VideoFeatures,
        token_lengths: Tensor | None,
        most_tokens: int,
        uniform: Uniform,
        settings: BammSampling,
    ) -> Written:
        """Base-layer tokens for videos.

        Args:
            condition: features of ``b`` clips.
            token_lengths: ``(b,)``; None for what the model decides, then at most ``most_tokens``.
            most_tokens: see there.
            uniform: each step takes ``(b, codebook_size + 1)`` numbers, or where END cannot be drawn one less.
            settings: see there.
        """
        written = self.first_pass(condition, token_lengths, most_tokens, uniform, settings)
        if settings.remake == "none":
            return written
        return self.second_pass(condition, written, self.to_remake(written, settings), uniform, settings)

    @torch.no_grad()
    def first_pass(
        self,
        condition: VideoFeatures,
        token_lengths: Tensor | None,
        most_tokens: int,
        uniform: Uniform,
        settings: BammSampling,
    ) -> Written:
        """One token after another, each from those before it; see :meth:`generate`."""
        guidance, classes = Guidance(settings.guidance_scale), self.config.codebook_size
        size = most_tokens if token_lengths is None else int(token_lengths.max())
        batch, device = len(condition.global_feature), condition.global_feature.device
        ids = torch.full((batch, size), self.end_id, device=device)
        confidence = torch.zeros(batch, size, device=device)
        none_given = torch.zeros_like(ids, dtype=torch.bool)
        with generating(self):
            context = self.context(*guidance.condition(condition))
            for place in range(size):
                before = ids[:, :place], none_given[:, :place]
                logits = self._guided(guidance, *before, context, place)
                if token_lengths is not None:
                    logits = logits[:, :classes]
                ids[:, place], confidence[:, place] = _drawn(logits, uniform, settings)
                if token_lengths is None and bool((ids[:, : place + 1] == self.end_id).any(dim=1).all()):
                    break
        if token_lengths is None:
            ends = F.pad(ids, (0, 1), value=self.end_id) == self.end_id  # (b, m + 1)
            token_lengths = ends.long().argmax(dim=1).clamp(min=1)
            ids = ids.masked_fill(ids == self.end_id, 0)  # so a reaction that ends before it begins is code 0
        size = int(token_lengths.max())
        return Written(ids[:, :size], token_lengths, confidence[:, :size])

    def to_remake(self, written: Written, settings: BammSampling) -> Tensor:
        """Which of the tokens to write again, ``(b, m)`` bool."""
        valid = valid_mask(written.lengths, written.tokens.shape[1])
        if settings.remake == "every-second":
            return valid & (torch.arange(valid.shape[1], device=valid.device) % 2 == 1)
        halves = (written.lengths / 2).round().clamp(min=1)
        return lowest_ranks(written.confidence.masked_fill(~valid, torch.inf), halves) & valid

    @torch.no_grad()
    def second_pass(
        self,
        condition: VideoFeatures,
        written: Written,
        remade: Tensor,
        uniform: Uniform,
        settings: BammSampling,
    ) -> Written:
        """Some tokens again, in sight of the others, wherever those are.

        As in the published code, the ones that stay are drawn again too: what comes later sees what was drawn, and only
        at the end they are what they were.

        Args:
            condition: features of ``b`` clips.
            written: the tokens.
            remade: ``(b, m)`` bool, those to write again.
            uniform: each step takes ``(b, codebook_size)`` numbers.
            settings: see there.
        """
        guidance, classes = Guidance(settings.second_guidance_scale), self.config.codebook_size
        ids = self.with_end(written.tokens, written.lengths)  # (b, m + 1)
        given = ~F.pad(remade, (0, 1)) & valid_mask(written.lengths + 1, ids.shape[1])
        confidence = written.confidence.clone()
        with generating(self):
            context = self.context(*guidance.condition(condition))
            for place in range(remade.shape[1]):
                logits = self._guided(guidance, ids, given, context, place)[:, :classes]
                ids[:, place], confidence[:, place] = _drawn(logits, uniform, settings)
        return Written(
            torch.where(remade, ids[:, :-1], written.tokens),
            written.lengths,
            torch.where(remade, confidence, written.confidence),
        )

    def _guided(self, guidance: Guidance, ids: Tensor, given: Tensor, context: Tensor, place: int) -> Tensor:
        """Logits ``(b, codebook_size + 1)`` of the id at ``place``."""
        hidden = self.hidden(guidance.rows(ids), guidance.rows(given), context)[:, place]
        return guidance.combine(cast(Tensor, self.head(hidden)))


def hybrid_attention(given: Tensor) -> Tensor:
    """Which positions see which, ``(b, n, n)`` bool: a row's place sees a column's where True.

    Args:
        given: ``(b, n)``. Given places see all given ones and no others; the rest also see what stands before them.
    """
    causal = torch.ones(given.shape[1], given.shape[1], dtype=torch.bool, device=given.device).tril()
    return (causal & ~given[:, :, None]) | given[:, None]


def _drawn(logits: Tensor, uniform: Uniform, settings: BammSampling) -> tuple[Tensor, Tensor]:
    """One id ``(b,)`` of the logits ``(b, classes)`` each, and its probability ``(b,)``."""
    drawn = sample_tokens(logits, uniform(logits.shape), settings.temperature, top_k_ratio=1.0)
    return drawn, logits.softmax(dim=-1).gather(-1, drawn[:, None])[:, 0]


@register
class Bamm(nn.Module):
    """Tokenizer, autoregressive transformer and MoMask's residual transformer as one generator."""

    kind: ClassVar[str] = "bamm"
    parts: ClassVar[Mapping[str, type[Any]]] = {
        "rvq": RvqTokenizer,
        "autoregressive": BammTransformer,
        "residual": MomaskResidual,
    }
    settings: ClassVar[type[Config]] = Config
    sampling_settings: ClassVar[type[Config]] = BammSampling
    chooses_length: ClassVar[bool] = True
    stops_by_itself: ClassVar[bool] = True

    tokenizer: RvqTokenizer
    autoregressive: BammTransformer
    residual: MomaskResidual | None

    def __init__(self, parts: Mapping[str, Any], sampling: BammSampling | None = None) -> None:
        """Put the parts together; without a residual transformer, reactions are made of base tokens alone.

        Raises:
            ConfigError: they were not made for the same codes and features.
        """
        super().__init__()
        require_fit(parts)
        self.tokenizer, self.autoregressive = parts["rvq"], parts["autoregressive"]
        self.residual = parts.get("residual")
        self.sampling = sampling or BammSampling()

    @property
    def feature_dim(self) -> int:
        """Length of a feature vector."""
        return self.autoregressive.config.feature_dim

    @property
    def max_length(self) -> int:
        """Longest reaction, in frames."""
        transformers = (self.autoregressive, self.residual) if self.residual else (self.autoregressive,)
        return min(each.config.max_tokens for each in transformers) * self.tokenizer.unit_length

    @torch.no_grad()
    def generate(self, condition: VideoFeatures, lengths: Tensor | None, rng: torch.Generator) -> Reactions:
        """Reactions to videos, each decoded at its own length.

        Args:
            condition: features of ``b`` clips.
            lengths: ``(b,)`` int64 frames, rounded down to whole tokens; None for those that the model decides.
            rng: decides everything that is random; a CPU generator gives the same draws on every device.

        Raises:
            InputError: see :func:`whole_lengths`.
        """
        unit, device = self.tokenizer.unit_length, condition.global_feature.device
        token_lengths = None
        if lengths is not None:
            token_lengths = (
                torch.tensor(whole_lengths(condition, lengths, self.max_length), device=device) // unit
            )
        uniform = uniform_from(rng, device)
        with generating(self):
            written = self.autoregressive.generate(
                condition, token_lengths, self.max_length // unit, uniform, self.sampling
            )
            valid = valid_mask(written.lengths, written.tokens.shape[1])
            tokens = written.tokens.masked_fill(~valid, NO_CODE)  # (b, m)
            layers = tokens[..., None]  # (b, m, 1)
            if self.residual is not None:
                layers = self.residual.generate(tokens, condition, written.lengths, uniform, self.sampling)
            motion = self.tokenizer.decode_each(layers, written.lengths)
        return Reactions(motion, written.lengths.cpu() * unit)

    @torch.no_grad()
    def reconstruct(self, motion: Tensor, lengths: Tensor) -> Tensor:
        """Motions ``(b, n, 263)`` through the tokenizer and back, zero past each length."""
        return self.tokenizer.decode(self.tokenizer.encode(motion, lengths), lengths)
