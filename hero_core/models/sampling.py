"""How tokens are drawn: schedule, guidance, top-k filter and the one random choice, each a pure function."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from hero_core.config import Config
from hero_core.models.features import VideoFeatures

Uniform: TypeAlias = Callable[[Sequence[int]], Tensor]
"""Source of randomness: from a shape, numbers in [0, 1)."""

SMALLEST_UNIFORM = 1e-20


class SamplingConfig(Config):
    """How reactions are generated. The defaults are the paper's evaluation.

    Attributes:
        steps: passes of the masked transformer.
        guidance_scale: classifier-free guidance of the masked transformer; 1 is plain conditional generation,
            0 unconditional.
        temperature: 1 samples the predicted distribution, 0 takes its maximum.
        top_k_ratio: share of the codes that stay eligible, the likeliest ones; the official ``topk_filter_thres`` is
            one minus it.
        residual_guidance_scale: as ``guidance_scale``, for the residual transformer.
        residual_temperature: as ``temperature``, for the residual transformer.
        residual_layers: refine only the first so many residual layers; None for all.
        decode_padded: decode a batch with its padding, as the official release does: frames past a motion's length
            are not zero, and its last frames depend on the batch. False decodes each motion at its own length.
    """

    steps: PositiveInt = 10
    guidance_scale: float = Field(default=4.0, ge=0)
    temperature: float = Field(default=1.0, ge=0)
    top_k_ratio: float = Field(default=0.1, gt=0, le=1)
    residual_guidance_scale: float = Field(default=5.0, ge=0)
    residual_temperature: float = Field(default=1.0, ge=0)
    residual_layers: int | None = Field(default=None, ge=0)
    decode_padded: bool = False


def cosine_mask_ratio(progress: Tensor) -> Tensor:
    """Share of the tokens that is masked, falling from 1 to 0 as ``progress`` goes from 0 to 1."""
    return torch.cos(progress * (math.pi / 2))


@dataclass(frozen=True)
class Guidance:
    """Classifier-free guidance: each pass holds every sample with and, behind it, without its condition."""

    scale: float

    @property
    def copies(self) -> int:
        """Rows that a sample takes: one when guidance has no effect."""
        return 1 if self.scale == 1 else 2

    def rows(self, x: Tensor) -> Tensor:
        """``(b, ...)`` -> ``(copies * b, ...)``"""
        return torch.cat([x] * self.copies)

    def condition(self, condition: VideoFeatures) -> tuple[VideoFeatures, Tensor]:
        """The condition's rows, and the mask ``(copies * b,)`` that is True where a row keeps its condition."""
        rows = VideoFeatures(self.rows(condition.frames), self.rows(condition.global_feature))
        keep = torch.arange(rows.frames.shape[0], device=rows.frames.device) < condition.frames.shape[0]
        return rows, keep

    def combine(self, logits: Tensor) -> Tensor:
        """``(copies * b, n, classes)`` -> ``(b, n, classes)``: away from the unconditional, towards the conditional."""
        if self.copies == 1:
            return logits
        conditional, unconditional = logits.chunk(2)
        return unconditional + self.scale * (conditional - unconditional)


def keep_likeliest(logits: Tensor, ratio: float) -> Tensor:
    """Minus infinity for all but the ``ceil(ratio * classes)`` largest logits; equals of the smallest kept one stay."""
    count = math.ceil(ratio * logits.shape[-1])
    smallest_kept = logits.topk(count, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < smallest_kept, -math.inf)


def sample_tokens(logits: Tensor, uniform: Tensor, temperature: float, top_k_ratio: float) -> Tensor:
    """Draw one class a position from the filtered, tempered distribution, by the Gumbel-max trick.

    Adding Gumbel noise and taking the maximum draws from exactly the categorical distribution of the logits, so
    the release's two ways of sampling are one.

    Args:
        logits: ``(..., classes)``.
        uniform: numbers in [0, 1) of the same shape.
        temperature: 0 takes the likeliest class.
        top_k_ratio: see :class:`SamplingConfig`.

    Returns:
        ``(...)`` int64
    """
    gumbel = -torch.log(-torch.log(uniform.clamp(min=SMALLEST_UNIFORM)))
    return (keep_likeliest(logits, top_k_ratio) + temperature * gumbel).argmax(dim=-1)


def lowest_ranks(scores: Tensor, counts: Tensor) -> Tensor:
    """True at the ``counts`` ``(b,)`` lowest of the scores ``(b, n)``; of equal scores the earlier positions."""
    ranks = scores.argsort(dim=-1, stable=True).argsort(dim=-1)  # (b, n)
    return ranks < counts[:, None]


def uniform_from(rng: torch.Generator, device: torch.device) -> Uniform:
    """Draw on the generator's device and move to ``device``: a CPU generator gives the same numbers everywhere."""

    def uniform(shape: Sequence[int]) -> Tensor:
        return torch.rand(*shape, generator=rng, device=rng.device).to(device)

    return uniform


@contextmanager
def generating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards every part is back in the mode it was in."""
    were_training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module in were_training:
            module.training = True
