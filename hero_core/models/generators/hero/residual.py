"""The residual transformer: the tokens of the finer quantizer layers, one layer after another (paper, section 3.3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any, ClassVar, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from hero_core.config import parse_config
from hero_core.models.base import Batch, TrainingFacts, VideoFeatures
from hero_core.models.generators.hero.settings import ResidualSampling
from hero_core.models.generators.hero.transformer import (
    INIT_STD,
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
    sample_tokens,
    uniform_from,
)
from hero_core.motion.format import FRAMES_PER_TOKEN


class ResidualConfig(TransformerConfig):
    """Settings of the residual transformer.

    Attributes:
        quantizers: quantizer layers of the tokenizer; all but the first are predicted.
        share_weights: a layer's tokens are embedded by the table that predicted them.
        allow_pad_class: let [PAD] be drawn before a motion's end, as the official release does (the decoder then gets
            a zero code there). False never draws it.
    """

    official_values: ClassVar[Mapping[str, Any]] = {
        **TransformerConfig.official_values,
        "allow_pad_class": True,
    }

    of_weights: ClassVar[frozenset[str]] = TransformerConfig.of_weights | {"quantizers", "share_weights"}

    quantizers: int = Field(default=6, ge=2)
    share_weights: bool = False
    allow_pad_class: bool = False


@dataclass(frozen=True)
class LayerDraws:
    """All that is random in one training step: which layer ``(b,)`` each sample trains, whose condition is dropped."""

    layer: Tensor
    drop_condition: Tensor

    @classmethod
    def draw(
        cls, batch: int, quantizers: int, condition_drop: float, rng: torch.Generator, device: torch.device
    ) -> Self:
        """Layers 1 to ``quantizers - 1``, the coarser ones more often."""
        uniform = uniform_from(rng, device)
        layer = ((1 - cosine_mask_ratio(uniform((batch,)))) * (quantizers - 2)).round().long() + 1
        return cls(layer, uniform((batch,)) < condition_drop)


class CodeTables(nn.Module):
    """A learned vector for every code of every layer: one set to embed layers 0..q-2, one to predict layers 1..q-1.

    Shared, a layer's two tables are one, and only the ends differ: layer 0 is never predicted, the last never embedded.
    """

    def __init__(self, quantizers: int, classes: int, code_dim: int, share: bool) -> None:
        super().__init__()
        predicted = quantizers - 1
        shared = predicted - 1 if share else 0
        self.shared = nn.Parameter(INIT_STD * torch.randn(shared, classes, code_dim)) if share else None
        self.embed_own = nn.Parameter(INIT_STD * torch.randn(predicted - shared, classes, code_dim))
        self.predict_own = nn.Parameter(INIT_STD * torch.randn(predicted - shared, classes, code_dim))
        self.bias = None if share else nn.Parameter(torch.zeros(predicted, classes))

    @property
    def embed(self) -> Tensor:
        """``(q - 1, classes, code_dim)``; row j embeds layer j."""
        return self.embed_own if self.shared is None else torch.cat([self.embed_own, self.shared])

    @property
    def predict(self) -> Tensor:
        """``(q - 1, classes, code_dim)``; row j predicts layer j + 1."""
        return self.predict_own if self.shared is None else torch.cat([self.shared, self.predict_own])

    def logits_by_layer(self, vectors: Tensor, layers: Tensor) -> Tensor:
        """Logits of each vector's own layer; all of a layer at once, so that no table is copied.

        Args:
            vectors: ``(v, code_dim)``.
            layers: ``(v,)`` in 1..q-1.

        Returns:
            ``(v, classes)``
        """
        order = layers.argsort(stable=True)
        counts = layers.bincount(minlength=len(self.predict) + 1)[1:].tolist()
        of_layers = torch.split(vectors.index_select(0, order), counts)
        biases = repeat(None) if self.bias is None else self.bias
        logits = [F.linear(*each) for each in zip(of_layers, self.predict, biases, strict=False)]
        return torch.cat(logits).index_select(0, order.argsort())


class ResidualTransformer(nn.Module):
    """Predicts one layer's tokens from the sum of the coarser layers' embeddings and the video."""

    kind: ClassVar[str] = "hero-residual"
    settings: ClassVar[type[ResidualConfig]] = ResidualConfig
    trained_on: ClassVar[Literal["pairs"]] = "pairs"
    encoded_by: ClassVar[str] = "rvq"
    metric: ClassVar[str] = "total"
    validation_draws: ClassVar[int] = 4
    recordable: ClassVar[bool] = True
    blocks: ClassVar[tuple[type[Any], ...]] = (DecoderUnit,)

    def __init__(self, config: ResidualConfig) -> None:
        super().__init__()
        self.config = config
        self.pad_id = config.codebook_size
        classes = config.codebook_size + 1
        self.decoder = VideoDecoder(config)
        self.layer_embedding = nn.Linear(config.quantizers, config.latent_dim)  # of one-hot layer numbers
        self.head = OutputHead(config.latent_dim, config.code_dim)
        initialise(self)
        self.tables = CodeTables(config.quantizers, classes, config.code_dim, config.share_weights)

    @classmethod
    def build(cls, config: ResidualConfig, facts: TrainingFacts) -> Self:
        """A new transformer for the codes of the tokenizer and the features of the data.

        Raises:
            ConfigError: impossible sizes, or longer motions than ``max_tokens``.
        """
        require_room(config.max_tokens, facts, "residual.model")
        tokenizer = facts.parts["rvq"].config
        decided = {
            "codebook_size": tokenizer.codebook_size,
            "quantizers": tokenizer.quantizers,
            "feature_dim": facts.feature_dim,
            "frame_time": decided_frame_time(config, facts),
        }
        return cls(parse_config(cls.settings, config.model_dump() | decided, "residual.model"))

    def logits(
        self,
        history: Tensor,
        layer: Tensor,
        valid: Tensor,
        context: Context,
        most_valid: int | None = None,
    ) -> Tensor:
        """Logits of one layer, its own for every sample.

        Args:
            history: ``(b, m, code_dim)``, summed embeddings of the coarser layers' tokens.
            layer: ``(b,)`` in 1..q-1.
            valid: ``(b, m)``.
            context: the condition.
            most_valid: see :meth:`VideoDecoder.forward`.

        Returns:
            ``(b, m, codebook_size + 1)``, without meaning in the padding; the last class is [PAD].
        """
        hidden = self._hidden(history, layer, valid, context, most_valid)
        vectors = self.head(hidden.packed)  # (v, code_dim)
        if vectors.device.type == "cpu":
            return hidden.of_tokens(self.tables.logits_by_layer(vectors, layer[hidden.packing.sequences]))
        logits = hidden.of_tokens(vectors) @ self.tables.predict[layer - 1].mT  # (b, m, classes)
        if self.tables.bias is not None:
            logits = logits + self.tables.bias[layer - 1][:, None]
        return logits

    def logits_of_layer(self, history: Tensor, number: int, valid: Tensor, context: Context) -> Tensor:
        """:meth:`logits` of the same layer for all samples, whose table then need not be copied for each."""
        layer = torch.full((len(history),), number, device=history.device)
        hidden = self._hidden(history, layer, valid, context)
        bias = None if self.tables.bias is None else self.tables.bias[number - 1]
        logits = F.linear(self.head(hidden.packed), self.tables.predict[number - 1], bias)  # (v, classes)
        return hidden.of_tokens(logits)

    def _hidden(
        self, history: Tensor, layer: Tensor, valid: Tensor, context: Context, most_valid: int | None = None
    ) -> Hidden:
        one_hot = F.one_hot(layer, self.config.quantizers).to(history.dtype)  # (b, q)
        layer_token = self.layer_embedding(one_hot)[:, None]  # (b, 1, latent)
        prefix = torch.cat([context.token, layer_token], dim=1)  # (b, 2, latent)
        hidden: Hidden = self.decoder(history, valid, prefix, context, most_valid)
        return hidden

    def history(self, tokens: Tensor, layer: Tensor) -> Tensor:
        """Summed embeddings ``(b, m, code_dim)`` of the layers below ``layer`` ``(b,)``.

        ``tokens`` ``(b, m, q)`` hold ``pad_id``, not -1, past a sample's length.
        """
        tables = self.tables.embed  # (q - 1, classes, code_dim)
        layers = torch.arange(len(tables), device=tokens.device)
        rows = tokens[..., : len(tables)] + layers * tables.shape[1]  # (b, m, q - 1), into all tables stacked
        below = (layers < layer[:, None])[:, None].expand_as(rows)
        flat, counted = rows.flatten(0, 1), below.flatten(0, 1).to(tables.dtype)  # (b * m, q - 1)
        summed = F.embedding_bag(flat, tables.flatten(0, 1), mode="sum", per_sample_weights=counted)
        return summed.view(*tokens.shape[:2], -1)

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Losses of one training step; in evaluation mode the condition is never dropped.

        Args:
            batch: ids are ``batch.tokens`` ``(b, m, q)``; what stands past a sample's length is ignored.
            rng: decides which layer each sample trains.

        Returns:
            ``total``, the mean negative log-likelihood of the tokens of those layers, and their ``accuracy``.
        """
        tokens = batch.tokens  # (b, m, q)
        condition_drop = self.config.condition_drop if self.training else 0.0
        draws = LayerDraws.draw(len(tokens), self.config.quantizers, condition_drop, rng, tokens.device)
        lengths = batch.lengths // FRAMES_PER_TOKEN
        return self.likelihood(tokens, lengths, batch.video, draws, batch.most_tokens, batch.ranks)

    def likelihood(
        self,
        tokens: Tensor,
        token_lengths: Tensor,
        condition: VideoFeatures,
        draws: LayerDraws,
        most_tokens: int | None = None,
        ranks: Ranks = ALONE,
    ) -> dict[str, Tensor]:
        """:meth:`losses` of ids ``(b, m, q)`` with these random draws; computes this rank's rows."""
        valid = valid_mask(token_lengths, tokens.shape[1])  # (b, m)
        tokens = tokens.masked_fill(~valid[..., None], self.pad_id)
        own = ranks.own
        context = self.decoder.context(condition.map(own), ~own(draws.drop_condition))
        layer = own(draws.layer)
        logits = self.logits(self.history(own(tokens), layer), layer, own(valid), context, most_tokens)
        targets = tokens.gather(-1, draws.layer[:, None, None].expand(-1, tokens.shape[1], 1))[
            ..., 0
        ]  # (b, m)
        return token_losses(logits, targets, valid, ranks)

    def draws(self, settings: ResidualSampling) -> tuple[int, int]:
        """How often :meth:`generate` draws, and how many numbers for each position."""
        layers = self.config.quantizers - 1
        if settings.residual_layers is not None:
            layers = min(layers, settings.residual_layers)
        return layers, self.config.codebook_size + 1

    @torch.no_grad()
    def generate(
        self,
        base: Tensor,
        condition: VideoFeatures,
        token_lengths: Tensor,
        uniform: Uniform,
        settings: ResidualSampling,
        kept: Tensor | None = None,
    ) -> Tensor:
        """Refine base-layer ids ``(b, m)`` to ``(b, m, q)``; -1 past each length, where the decoder gets a zero code.

        With ``settings.residual_layers`` only so many layers are added; each takes ``(b, m, codebook_size + 1)``
        uniform numbers. ``kept`` ``(b, m, q)`` holds tokens that stay as they are, and -1 where they are made.
        """
        guidance = Guidance(settings.residual_guidance_scale)
        valid = valid_mask(token_lengths, base.shape[1])  # (b, m)
        layers, _ = self.draws(settings)
        columns = [base.masked_fill(~valid, self.pad_id)]
        with generating(self):
            context = self.decoder.context(*guidance.condition(condition))
            history = torch.zeros(*base.shape, self.config.code_dim, device=base.device)
            for number in range(1, layers + 1):
                history = history + F.embedding(
                    columns[-1], self.tables.embed[number - 1]
                )  # (b, m, code_dim)
                logits = self.logits_of_layer(guidance.rows(history), number, guidance.rows(valid), context)
                logits = guidance.combine(logits)  # (b, m, classes)
                if not self.config.allow_pad_class:
                    logits[..., self.pad_id].fill_(-torch.inf)
                drawn = sample_tokens(
                    logits, uniform(logits.shape), settings.residual_temperature, settings.top_k_ratio
                )
                if kept is not None:
                    drawn = torch.where(kept[..., number] < 0, drawn, kept[..., number])
                columns.append(drawn.masked_fill(~valid, self.pad_id))
        tokens = torch.stack(columns, dim=-1)  # (b, m, 1 + layers)
        return tokens.masked_fill(tokens == self.pad_id, -1)
