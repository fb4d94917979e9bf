"""How BAMM draws the base-layer tokens: once from left to right, then some of them again in sight of the others."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hero_core.models.attention import Memory
from hero_core.models.base import VideoFeatures
from hero_core.models.generators.bamm.settings import BammSampling
from hero_core.models.generators.bamm.transformer import BammTransformer, hybrid_attention
from hero_core.models.padding import valid_mask
from hero_core.models.sampling import Guidance, Uniform, generating, lowest_ranks, sample_tokens


class BaseTokens(NamedTuple):
    """Base-layer tokens, as a pass leaves them.

    Attributes:
        tokens: ``(b, m)`` ids, of any values past each length; m is the longest length.
        lengths: ``(b,)``, in tokens.
        confidence: ``(b, m)``, probability of each when it was drawn.
    """

    tokens: Tensor
    lengths: Tensor
    confidence: Tensor


def generate_base(
    model: BammTransformer,
    condition: VideoFeatures,
    token_lengths: Tensor | None,
    most_tokens: int,
    uniform: Uniform,
    settings: BammSampling,
) -> BaseTokens:
    """Base-layer tokens for videos.

    Args:
        model: which predicts them.
        condition: features of ``b`` clips.
        token_lengths: ``(b,)``; None for what the model decides, then at most ``most_tokens``.
        most_tokens: see there.
        uniform: each token takes ``(b, codebook_size + 1)`` numbers, or where END cannot be drawn one less.
        settings: see there.
    """
    first = first_pass(model, condition, token_lengths, most_tokens, uniform, settings)
    if settings.remake == "none":
        return first
    return second_pass(model, condition, first, to_remake(first, settings), uniform, settings)


def first_pass(
    model: BammTransformer,
    condition: VideoFeatures,
    token_lengths: Tensor | None,
    most_tokens: int,
    uniform: Uniform,
    settings: BammSampling,
) -> BaseTokens:
    """One token after another, each from those before it; see :func:`generate_base`.

    A reaction whose first id is END is one token, code 0.
    """
    size = most_tokens if token_lengths is None else int(token_lengths.max())
    batch, device = len(condition.global_feature), condition.global_feature.device
    blank = torch.full((batch, size + 1), model.end_id, device=device)
    none = torch.zeros_like(blank, dtype=torch.bool)
    sampler = _Sampler(model, condition, settings.guidance_scale, uniform, settings)
    ids, confidence = sampler.sample(blank, none, may_end=token_lengths is None)
    if token_lengths is None:
        ended = ids == model.end_id  # in the last place at least
        token_lengths = ended.long().argmax(dim=1).clamp(min=1)
        ids = ids.masked_fill(ids == model.end_id, 0)
    longest = int(token_lengths.max())
    return BaseTokens(ids[:, :longest], token_lengths, confidence[:, :longest])


def to_remake(first: BaseTokens, settings: BammSampling) -> Tensor:
    """Which of the tokens to draw again, ``(b, m)`` bool."""
    valid = valid_mask(first.lengths, first.tokens.shape[1])
    if settings.remake == "every-second":
        return valid & (torch.arange(valid.shape[1], device=valid.device) % 2 == 1)
    halves = (first.lengths / 2).round().clamp(min=1)
    return lowest_ranks(first.confidence.masked_fill(~valid, torch.inf), halves)


def second_pass(
    model: BammTransformer,
    condition: VideoFeatures,
    first: BaseTokens,
    remade: Tensor,
    uniform: Uniform,
    settings: BammSampling,
) -> BaseTokens:
    """Some tokens again, those at ``remade`` ``(b, m)``, in sight of the others; see :func:`generate_base`."""
    ids = model.with_end(first.tokens, first.lengths)  # (b, m + 1)
    given = ~F.pad(remade, (0, 1)) & valid_mask(first.lengths + 1, ids.shape[1])
    sampler = _Sampler(model, condition, settings.second_guidance_scale, uniform, settings)
    ids, confidence = sampler.sample(ids, given, redraw=settings.redraw_given)
    return BaseTokens(
        torch.where(remade, ids[:, :-1], first.tokens),
        first.lengths,
        torch.where(remade, confidence, first.confidence),
    )


class _Sampler:
    """Draws ids from left to right, under one guidance."""

    def __init__(
        self,
        model: BammTransformer,
        condition: VideoFeatures,
        scale: float,
        uniform: Uniform,
        settings: BammSampling,
    ) -> None:
        self._model, self._uniform, self._settings = model, uniform, settings
        self._guidance, self._condition = Guidance(scale), condition

    @torch.no_grad()
    def sample(
        self, ids: Tensor, given: Tensor, may_end: bool = False, redraw: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Draw every id but the last one, which stays, and those that are given.

        What is given sees nothing that is drawn, and what is drawn nothing that comes later and is not given. So the
        sequence is computed once, and then one position for each id.

        Args:
            ids: ``(b, n)``.
            given: ``(b, n)`` bool.
            may_end: let END be drawn, and stop where it has been in all samples.
            redraw: draw the given ids too, so that the whole sequence has to be computed for each id.

        Returns:
            the ids ``(b, n)``, and the probability ``(b, n - 1)`` of each when it was drawn.
        """
        model, rows = self._model, self._guidance.rows
        ids, confidence = ids.clone(), torch.zeros(len(ids), ids.shape[1] - 1, device=ids.device)
        given_rows, sees = rows(given), rows(hybrid_attention(given))  # (rows, n), (rows, n + 1, n + 1)
        with generating(model):
            context = model.context(*self._guidance.condition(self._condition))
            newest, remembered = context, self._remember(rows(ids), given_rows, context)
            for place in range(ids.shape[1] - 1):
                logits = model.logits_at(place, newest, sees[:, place], remembered)
                drawn, confidence[:, place] = self._draw(self._guidance.combine(logits), may_end)
                if not redraw:
                    drawn = torch.where(given[:, place], ids[:, place], drawn)
                ids[:, place] = drawn
                if may_end and bool((ids[:, : place + 1] == model.end_id).any(dim=1).all()):
                    break
                if redraw:
                    remembered = self._remember(rows(ids), given_rows, context)
                newest = model.embed(rows(drawn))
        return ids, confidence

    def _remember(self, ids: Tensor, given: Tensor, context: Tensor) -> list[Memory]:
        remembered: list[Memory] = []
        self._model.hidden(ids, given, context, remembered)
        return remembered

    def _draw(self, logits: Tensor, may_end: bool) -> tuple[Tensor, Tensor]:
        """One id ``(b,)`` of the logits ``(b, classes)`` each, and its probability ``(b,)``."""
        logits = logits if may_end else logits[:, : self._model.end_id]
        uniform = self._uniform(logits.shape)
        drawn = sample_tokens(logits, uniform, self._settings.temperature, top_k_ratio=1.0)
        return drawn, logits.softmax(dim=-1).gather(-1, drawn[:, None])[:, 0]
