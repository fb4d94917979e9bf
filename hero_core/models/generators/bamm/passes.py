"""How BAMM writes the base-layer tokens: once from left to right, then some of them again in sight of the others."""

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from hero_core.models.attention import Memory
from hero_core.models.base import VideoFeatures
from hero_core.models.generators.bamm.settings import BammSampling
from hero_core.models.generators.bamm.transformer import BammTransformer
from hero_core.models.padding import valid_mask
from hero_core.models.sampling import Guidance, Uniform, generating, lowest_ranks, sample_tokens


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


def write_tokens(
    model: BammTransformer,
    condition: VideoFeatures,
    token_lengths: Tensor | None,
    most_tokens: int,
    uniform: Uniform,
    settings: BammSampling,
) -> Written:
    """Base-layer tokens for videos.

    Args:
        model: which predicts them.
        condition: features of ``b`` clips.
        token_lengths: ``(b,)``; None for what the model decides, then at most ``most_tokens``.
        most_tokens: see there.
        uniform: each token takes ``(b, codebook_size + 1)`` numbers, or where END cannot be drawn one less.
        settings: see there.
    """
    written = first_pass(model, condition, token_lengths, most_tokens, uniform, settings)
    if settings.remake == "none":
        return written
    return second_pass(model, condition, written, to_remake(written, settings), uniform, settings)


@torch.no_grad()
def first_pass(
    model: BammTransformer,
    condition: VideoFeatures,
    token_lengths: Tensor | None,
    most_tokens: int,
    uniform: Uniform,
    settings: BammSampling,
) -> Written:
    """One token after another, each from those before it; see :func:`write_tokens`.

    Nothing is computed twice, as no position sees a later one. A reaction whose first id is END is one token, code 0.
    """
    guidance, classes = Guidance(settings.guidance_scale), model.config.codebook_size
    size = most_tokens if token_lengths is None else int(token_lengths.max())
    batch, device = len(condition.global_feature), condition.global_feature.device
    ids = torch.full((batch, size), model.end_id, device=device)
    confidence = torch.zeros(batch, size, device=device)
    ended = torch.zeros(batch, dtype=torch.bool, device=device)
    past: list[Memory | None] = [None] * len(model.units)
    with generating(model):
        newest = model.context(*guidance.condition(condition))  # (b, latent)
        for place in range(size):
            logits = guidance.combine(model.extend(newest, place, past))  # (b, codes + 1)
            drawn = logits if token_lengths is None else logits[:, :classes]
            ids[:, place], confidence[:, place] = _draw(drawn, uniform, settings)
            ended |= ids[:, place] == model.end_id
            if bool(ended.all()):
                break
            newest = model.embed(guidance.rows(ids[:, place]))
    if token_lengths is None:
        ends = F.pad(ids, (0, 1), value=model.end_id) == model.end_id  # (b, size + 1)
        token_lengths = ends.long().argmax(dim=1).clamp(min=1)
        ids = ids.masked_fill(ids == model.end_id, 0)
    longest = int(token_lengths.max())
    return Written(ids[:, :longest], token_lengths, confidence[:, :longest])


def to_remake(written: Written, settings: BammSampling) -> Tensor:
    """Which of the tokens to write again, ``(b, m)`` bool."""
    valid = valid_mask(written.lengths, written.tokens.shape[1])
    if settings.remake == "every-second":
        return valid & (torch.arange(valid.shape[1], device=valid.device) % 2 == 1)
    halves = (written.lengths / 2).round().clamp(min=1)
    return lowest_ranks(written.confidence.masked_fill(~valid, torch.inf), halves)


@torch.no_grad()
def second_pass(
    model: BammTransformer,
    condition: VideoFeatures,
    written: Written,
    remade: Tensor,
    uniform: Uniform,
    settings: BammSampling,
) -> Written:
    """Some tokens again, in sight of the others, wherever those are.

    As in the published code, the tokens that stay are drawn again too. What comes later sees what was drawn, and only
    at the end they are again what they were; so all positions are computed for every token.

    Args:
        model: which predicts them.
        condition: features of ``b`` clips.
        written: the tokens.
        remade: ``(b, m)`` bool, those to write again.
        uniform: each token takes ``(b, codebook_size)`` numbers.
        settings: see there.
    """
    guidance, classes = Guidance(settings.second_guidance_scale), model.config.codebook_size
    ids = model.with_end(written.tokens, written.lengths)  # (b, m + 1)
    given = ~F.pad(remade, (0, 1)) & valid_mask(written.lengths + 1, ids.shape[1])
    confidence = written.confidence.clone()
    with generating(model):
        context = model.context(*guidance.condition(condition))
        for place in range(remade.shape[1]):
            hidden = model.hidden(guidance.rows(ids), guidance.rows(given), context)[:, place]  # (b, latent)
            logits = guidance.combine(cast(Tensor, model.head(hidden)))[:, :classes]
            ids[:, place], confidence[:, place] = _draw(logits, uniform, settings)
    return Written(
        torch.where(remade, ids[:, :-1], written.tokens),
        written.lengths,
        torch.where(remade, confidence, written.confidence),
    )


def _draw(logits: Tensor, uniform: Uniform, settings: BammSampling) -> tuple[Tensor, Tensor]:
    """One id ``(b,)`` of the logits ``(b, classes)`` each, and its probability ``(b,)``."""
    drawn = sample_tokens(logits, uniform(logits.shape), settings.temperature, top_k_ratio=1.0)
    return drawn, logits.softmax(dim=-1).gather(-1, drawn[:, None])[:, 0]
