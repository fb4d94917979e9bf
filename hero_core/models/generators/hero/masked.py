"""The masked transformer: base-layer motion tokens from a video, filled in over a few steps (paper, section 3.3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hero_core.config import parse_config
from hero_core.models.base import Batch, TrainingFacts, VideoFeatures
from hero_core.models.explanation import Explanation
from hero_core.models.generators.hero.settings import HeroSampling
from hero_core.models.generators.hero.transformer import (
    Context,
    DecoderUnit,
    Hidden,
    OutputHead,
    TransformerConfig,
    VideoDecoder,
    decided_frame_time,
    initialise,
    require_room,
)
from hero_core.models.likelihood import token_losses
from hero_core.models.padding import valid_mask
from hero_core.models.ranks import ALONE, Ranks
from hero_core.models.sampling import (
    Guidance,
    Uniform,
    cosine_mask_ratio,
    generating,
    lowest_ranks,
    sample_tokens,
    uniform_from,
)
from hero_core.motion.format import FRAMES_PER_TOKEN

RANDOM_SHARE = 0.1
"""Of the masked tokens, this share becomes a random code."""

MASK_SHARE = 0.88
"""Of the remaining masked tokens, this share becomes [MASK]; the rest keep their code and are still predicted."""


class MaskedConfig(TransformerConfig):
    """Settings of the masked transformer.

    Attributes:
        mask_over_padded: count the masked tokens over the padded length, as the official release does, so that short
            samples sometimes train on no token. False counts over each sample's own length, and masks at least one.
    """

    official_values: ClassVar[Mapping[str, Any]] = {
        **TransformerConfig.official_values,
        "mask_over_padded": True,
    }

    mask_over_padded: bool = False


@dataclass(frozen=True)
class MaskingDraws:
    """All that is random in one training step of ``(b, m)`` tokens.

    Attributes:
        progress: ``(b,)`` in [0, 1), decides how many tokens are masked.
        order: ``(b, m)``, a permutation in every row; the positions with the smallest numbers are masked.
        use_random: ``(b, m)`` bool, where a masked token becomes ``random_tokens`` ``(b, m)``.
        use_mask: ``(b, m)`` bool, where another masked token becomes [MASK].
        drop_condition: ``(b,)`` bool.
    """

    progress: Tensor
    order: Tensor
    use_random: Tensor
    random_tokens: Tensor
    use_mask: Tensor
    drop_condition: Tensor

    @classmethod
    def draw(cls, tokens: Tensor, codebook_size: int, condition_drop: float, rng: torch.Generator) -> Self:
        """Fresh draws for ``tokens`` ``(b, m)``."""
        uniform = uniform_from(rng, tokens.device)
        batch, size = tokens.shape
        return cls(
            progress=uniform((batch,)),
            order=uniform((batch, size)).argsort(dim=-1),
            use_random=uniform((batch, size)) < RANDOM_SHARE,
            random_tokens=(uniform((batch, size)) * codebook_size).long(),
            use_mask=uniform((batch, size)) < MASK_SHARE,
            drop_condition=uniform((batch,)) < condition_drop,
        )


class MaskedTokens(NamedTuple):
    """Tokens as the network sees them, ``(b, m)`` ids, and True at the positions ``(b, m)`` it has to predict."""

    inputs: Tensor
    targets: Tensor


class MaskedTransformer(nn.Module):
    """Predicts the codes of masked base-layer tokens from the others and the video."""

    kind: ClassVar[str] = "hero-masked"
    settings: ClassVar[type[MaskedConfig]] = MaskedConfig
    trained_on: ClassVar[Literal["pairs"]] = "pairs"
    encoded_by: ClassVar[str] = "rvq"
    metric: ClassVar[str] = "total"
    validation_draws: ClassVar[int] = 4
    recordable: ClassVar[bool] = True
    blocks: ClassVar[tuple[type[Any], ...]] = (DecoderUnit,)

    def __init__(self, config: MaskedConfig) -> None:
        super().__init__()
        self.config = config
        self.mask_id = config.codebook_size
        self.pad_id = config.codebook_size + 1
        self.token_embedding = nn.Embedding(config.codebook_size + 2, config.code_dim)
        self.decoder = VideoDecoder(config)
        self.head = OutputHead(config.latent_dim, config.codebook_size)
        initialise(self)

    @classmethod
    def build(cls, config: MaskedConfig, facts: TrainingFacts) -> Self:
        """A new transformer for the codes of the tokenizer and the features of the data.

        Raises:
            ConfigError: impossible sizes, or longer motions than ``max_tokens``.
        """
        require_room(config.max_tokens, facts, "masked.model")
        decided = {
            "codebook_size": facts.parts["rvq"].config.codebook_size,
            "feature_dim": facts.feature_dim,
            "frame_time": decided_frame_time(config, facts),
        }
        return cls(parse_config(cls.settings, config.model_dump() | decided, "masked.model"))

    def logits(
        self, tokens: Tensor, valid: Tensor, context: Context, most_valid: int | None = None
    ) -> Tensor:
        """``(b, m)`` ids -> ``(b, m, codebook_size)``; [MASK] and [PAD] cannot be predicted.

        What comes out in the padding means nothing; ``most_valid`` is for :meth:`VideoDecoder.forward`.
        """
        embedded = self.token_embedding(tokens)  # (b, m, code_dim)
        hidden: Hidden = self.decoder(embedded, valid, context.token, context, most_valid)
        return hidden.of_tokens(self.head(hidden.packed))

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Losses of one training step; in evaluation mode the condition is never dropped.

        Args:
            batch: base-layer ids are ``batch.tokens[..., 0]``; what stands past a sample's length is ignored.
            rng: decides what is masked.

        Returns:
            ``total``, the mean negative log-likelihood of the masked tokens (Eq. 2), and their ``accuracy``.
        """
        tokens = batch.tokens[..., 0]  # (b, m)
        if self.config.mask_over_padded:
            tokens = F.pad(tokens, (0, self.config.max_tokens - tokens.shape[1]))
        condition_drop = self.config.condition_drop if self.training else 0.0
        draws = MaskingDraws.draw(tokens, self.config.codebook_size, condition_drop, rng)
        lengths = batch.lengths // FRAMES_PER_TOKEN
        return self.likelihood(tokens, lengths, batch.video, draws, batch.most_tokens, batch.ranks)

    def likelihood(
        self,
        tokens: Tensor,
        token_lengths: Tensor,
        condition: VideoFeatures,
        draws: MaskingDraws,
        most_tokens: int | None = None,
        ranks: Ranks = ALONE,
    ) -> dict[str, Tensor]:
        """:meth:`losses` of base-layer ids ``(b, m)`` with these random draws; computes this rank's rows."""
        inputs, targets = self.mask(tokens, token_lengths, draws)
        valid = valid_mask(token_lengths, tokens.shape[1])
        own = ranks.own
        context = self.decoder.context(condition.map(own), ~own(draws.drop_condition))
        logits = self.logits(own(inputs), own(valid), context, most_tokens)
        return token_losses(logits, tokens, targets, ranks)

    def mask(self, tokens: Tensor, token_lengths: Tensor, draws: MaskingDraws) -> MaskedTokens:
        """Hide some tokens, their number by the cosine schedule, most behind [MASK] and some as BERT does."""
        size = tokens.shape[1]
        valid = valid_mask(token_lengths, size)
        if self.config.mask_over_padded:
            ranks, counted = draws.order, torch.full_like(token_lengths, size)
        else:
            ranks = draws.order.masked_fill(~valid, size).argsort(dim=-1, stable=True).argsort(dim=-1)
            counted = token_lengths
        count = (cosine_mask_ratio(draws.progress) * counted).round().clamp(min=1)  # (b,)
        targets = (ranks < count[:, None]) & valid  # (b, m)
        inputs = tokens.masked_fill(~valid, self.pad_id)
        inputs = torch.where(targets & draws.use_random, draws.random_tokens, inputs)
        inputs = inputs.masked_fill(targets & ~draws.use_random & draws.use_mask, self.mask_id)
        return MaskedTokens(inputs, targets)

    @torch.no_grad()
    def explain(self, tokens: Tensor, token_lengths: Tensor, condition: VideoFeatures) -> Explanation:
        """Which frames count for finished base-layer tokens ``(b, m)``, by IIE and by DIE; of neither without them."""
        valid = valid_mask(token_lengths, tokens.shape[1])
        with generating(self):
            context = self.decoder.context(condition, torch.ones_like(token_lengths, dtype=torch.bool))
            embedded = self.token_embedding(tokens.masked_fill(~valid, self.pad_id))  # (b, m, code_dim)
            attention = self.decoder.frame_weights(embedded, valid, context.token, context)
            intention = self.decoder.intention
            weights = None if intention is None else intention.frame_weights(condition).mean(dim=1)  # (b, t)
        return Explanation(weights, attention)

    def draws(self, settings: HeroSampling) -> tuple[int, int]:
        """How often :meth:`generate` draws, and how many numbers for each position."""
        return settings.steps, self.config.codebook_size

    @torch.no_grad()
    def generate(
        self,
        condition: VideoFeatures,
        token_lengths: Tensor,
        uniform: Uniform,
        settings: HeroSampling,
        size: int | None = None,
        kept: Tensor | None = None,
    ) -> Tensor:
        """Base-layer tokens for videos: ``(b, m)`` ids, -1 past each length; m is ``size``, or the longest length.

        Each step takes ``(b, m, codebook_size)`` uniform numbers. ``kept`` ``(b, m)`` holds tokens that stay as they
        are, and -1 where they are made.

        Starts from [MASK] everywhere. Each step predicts what is masked; before the next one the least confident
        of those predictions are masked again, ever fewer. A token that was kept once stays.
        """
        guidance = Guidance(settings.guidance_scale)
        valid = valid_mask(token_lengths, int(token_lengths.max()) if size is None else size)  # (b, m)
        free = valid if kept is None else valid & (kept < 0)  # (b, m)
        tokens = torch.full_like(valid, self.pad_id, dtype=torch.int64).masked_fill(valid, self.mask_id)
        tokens = tokens if kept is None else torch.where(valid & ~free, kept, tokens)
        scores = torch.zeros(valid.shape, device=valid.device).masked_fill(~free, torch.inf)
        free_lengths = token_lengths if kept is None else free.sum(dim=1)
        with generating(self):
            context = self.decoder.context(*guidance.condition(condition))
            for progress in torch.linspace(0, 1, settings.steps):
                counts = (cosine_mask_ratio(progress) * free_lengths).round().clamp(min=1)
                masked = lowest_ranks(scores, counts) & free
                tokens = tokens.masked_fill(masked, self.mask_id)
                logits = self.logits(guidance.rows(tokens), guidance.rows(valid), context)
                logits = guidance.combine(logits)  # (b, m, codes)
                drawn = sample_tokens(
                    logits, uniform(logits.shape), settings.temperature, settings.top_k_ratio
                )
                tokens = torch.where(masked, drawn, tokens)
                confidence = logits.softmax(dim=-1).gather(-1, drawn[..., None])[..., 0]  # (b, m)
                scores = confidence.masked_fill(~masked, torch.inf)
        return tokens.masked_fill(~valid, -1)
