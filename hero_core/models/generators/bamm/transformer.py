"""BAMM's transformer: predicts every token from those before it, from those that are given, and from the video."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hero_core.config import parse_config
from hero_core.models.attention import Memory
from hero_core.models.base import Batch, TrainingFacts, VideoFeatures
from hero_core.models.blocks import Block, bias_of
from hero_core.models.dropout import Dropout
from hero_core.models.generators.bamm.settings import BammConfig
from hero_core.models.generators.hero.intention import condition_vector, intention_of
from hero_core.models.generators.hero.transformer import OutputHead, initialise, require_room
from hero_core.models.padding import valid_mask
from hero_core.models.positions import sinusoidal_positions
from hero_core.models.precision import product_dtype
from hero_core.models.ranks import ALONE, Ranks
from hero_core.models.sampling import uniform_from
from hero_core.motion.format import FRAMES_PER_TOKEN

GIVEN_CHANCE = 0.5
"""So many training batches are shown some tokens from the start."""

MOST_GIVEN = 0.5
"""Of a batch's tokens, at most this share."""

MOST_CORRUPT = 0.5
"""Of a batch's tokens, at most this share becomes a random code."""


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
    def draw(cls, ids: Tensor, codebook_size: int, condition_drop: float, rng: torch.Generator) -> Self:
        """Fresh draws for ``ids`` ``(b, n)``."""
        uniform, shape = uniform_from(rng, ids.device), ids.shape
        return cls(
            given_share=(uniform((1,)) < GIVEN_CHANCE) * MOST_GIVEN * uniform((1,)),
            give=uniform(shape),
            corrupt=uniform(shape) < MOST_CORRUPT * uniform((1,)),
            random_tokens=(uniform(shape) * codebook_size).long(),
            drop_condition=uniform(shape[:1]) < condition_drop,
        )


class BammBlock(Block):
    """A post-norm block that can also compute one position anew, from what it remembers of all of them."""

    def remember(self, x: Tensor) -> Memory:
        """What it remembers of positions ``(b, n, d)``."""
        return self.attention.look_at(x)

    def at(self, x: Tensor, place: int, memory: Memory, bias: Tensor) -> Tensor:
        """The position ``(b, 1, d)`` at ``place``, which the ``memory`` then is of; ``bias`` ``(b, 1, 1, n)``."""
        for old, new in zip(memory, self.remember(x), strict=True):
            old[:, :, place] = new[:, :, 0]
        gathered = self.attention.gather(self.attention.query(x), memory, bias)
        x = self.attention_norm(x + self.dropout(self.attention.out(gathered)))
        output: Tensor = self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))
        return output


class BammTransformer(nn.Module):
    """Predicts every base-layer token, and END, from those before it, from those that are given, and from the video."""

    kind: ClassVar[str] = "bamm-transformer"
    settings: ClassVar[type[BammConfig]] = BammConfig
    trained_on: ClassVar[Literal["pairs"]] = "pairs"
    encoded_by: ClassVar[str] = "rvq"
    metric: ClassVar[str] = "total"
    validation_draws: ClassVar[int] = 4
    recordable: ClassVar[bool] = True
    blocks: ClassVar[tuple[type[Any], ...]] = (BammBlock,)

    def __init__(self, config: BammConfig) -> None:
        super().__init__()
        self.config = config
        self.end_id = config.codebook_size
        width = config.latent_dim
        self.intention = intention_of(config)
        self.condition_projection = nn.Linear(config.feature_dim, width)
        self.token_embedding = nn.Embedding(config.codebook_size + 1, config.code_dim)
        self.token_projection = nn.Linear(config.code_dim, width)
        self.dropout = Dropout(config.dropout)
        self.units = nn.ModuleList(
            BammBlock(width, config.heads, config.ff_size, config.dropout) for _ in range(config.layers)
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
        token = condition_vector(condition, self.intention)  # (b, d)
        projected: Tensor = self.condition_projection(token * keep[:, None])
        return projected

    def hidden(
        self, ids: Tensor, given: Tensor, context: Tensor, remembered: list[Memory] | None = None
    ) -> Tensor:
        """Hidden states ``(b, n + 1, latent)``; ``head`` turns each into logits of the id behind its position.

        Args:
            ids: ``(b, n)``, tokens with END behind the last one.
            given: ``(b, n)``, True for the ids that all positions see; for none behind END.
            context: see there.
            remembered: gets what each unit remembers, for :meth:`logits_at`.
        """
        x: Tensor = torch.cat([context[:, None], self.embed(ids)], dim=1)  # (b, n + 1, latent)
        x = self.dropout(x + self.positions[: x.shape[1]])
        bias = bias_of(hybrid_attention(given), product_dtype(x))
        for unit in map(_block, self.units):
            if remembered is not None:
                remembered.append(unit.remember(x))
            x = unit(x, bias)
        return x

    def embed(self, ids: Tensor) -> Tensor:
        """``(...)`` ids -> ``(..., latent)``, as positions of a sequence."""
        embedded: Tensor = self.token_projection(self.token_embedding(ids))
        return embedded

    def logits_at(self, place: int, before: Tensor, sees: Tensor, remembered: list[Memory]) -> Tensor:
        """Logits ``(b, codebook_size + 1)`` of the id at ``place``, of which one position is computed, the one before.

        Args:
            place: from 0 on.
            before: what is at that position, ``(b, latent)``: the context, or an embedded id.
            sees: ``(b, n + 1)`` bool, which positions it may attend to.
            remembered: by :meth:`hidden`, of all of these; from now on, of this position as it is here.
        """
        x: Tensor = (before + self.positions[place])[:, None]  # (b, 1, latent)
        bias = bias_of(sees[:, None], product_dtype(x))
        for unit, memory in zip(map(_block, self.units), remembered, strict=True):
            x = unit.at(x, place, memory, bias)
        logits: Tensor = self.head(x[:, 0])
        return logits

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Losses of one training step; in evaluation mode the condition is never dropped.

        Args:
            batch: base-layer ids are ``batch.tokens[..., 0]``; what stands past a sample's length is ignored.
            rng: decides which tokens are given and which are corrupted.

        Returns:
            ``total``, the negative log-likelihood of tokens and END, for each sample its mean, and their ``accuracy``.
        """
        lengths = batch.lengths // FRAMES_PER_TOKEN
        ids = self.with_end(batch.tokens[..., 0], lengths)  # (b, m + 1)
        condition_drop = self.config.condition_drop if self.training else 0.0
        draws = HybridDraws.draw(ids, self.config.codebook_size, condition_drop, rng)
        return self.likelihood(ids, lengths, batch.video, draws, batch.ranks)

    def likelihood(
        self,
        ids: Tensor,
        token_lengths: Tensor,
        condition: VideoFeatures,
        draws: HybridDraws,
        ranks: Ranks = ALONE,
    ) -> dict[str, Tensor]:
        """:meth:`losses` of base-layer ids ``(b, m + 1)`` with these random draws; computes this rank's rows.

        The ids are of :meth:`with_end`.
        """
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


def hybrid_attention(given: Tensor) -> Tensor:
    """Which positions see which, ``(b, n + 1, n + 1)`` bool: a row's place sees a column's where True.

    The condition and the given ids see each other and nothing else; the rest see them and what stands before.

    Args:
        given: ``(b, n)``, of the ids behind the condition.
    """
    given = F.pad(given, (1, 0), value=True)  # (b, n + 1)
    causal = torch.ones(given.shape[1], given.shape[1], dtype=torch.bool, device=given.device).tril()
    return (causal & ~given[:, :, None]) | given[:, None]


def _block(unit: nn.Module) -> BammBlock:
    return cast(BammBlock, unit)
