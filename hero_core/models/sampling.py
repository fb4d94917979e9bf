"""How tokens are drawn: schedule, guidance, top-k filter and the one random choice, each a pure function."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from hero_core.models.base import VideoFeatures

Uniform: TypeAlias = Callable[[Sequence[int]], Tensor]
"""Source of randomness: from a shape, numbers in [0, 1)."""

SMALLEST_UNIFORM = 1e-20


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
        rows = VideoFeatures(*map(self.rows, condition))
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
    """Draw one class for every position from the filtered, tempered distribution, by the Gumbel-max trick.

    Adding Gumbel noise and taking the maximum draws from exactly the categorical distribution of the logits, so
    the release's two ways of sampling are one.

    Args:
        logits: ``(..., classes)``.
        uniform: numbers in [0, 1) of the same shape.
        temperature: 0 takes the likeliest class.
        top_k_ratio: share of the classes that stay eligible, the likeliest ones.

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


def uniform_ahead(
    rng: torch.Generator, times: int, shape: Sequence[int], size: int, device: torch.device
) -> Tensor:
    """What so many calls of :func:`uniform_from` would give, drawn at once to be sent to ``device`` at once.

    Args:
        rng: on a CPU, or on the device.
        times: how often is drawn.
        shape: ``(b, m, classes)`` of each draw.
        size: room for positions, m or more.
        device: where the numbers will be used.

    Returns:
        ``(times, b, size, classes)`` on the generator's device, behind position m of any values; in pinned memory
        where that makes sending them faster.
    """
    batch, drawn, classes = shape
    pinned = rng.device.type == "cpu" and device.type == "cuda"
    numbers = torch.empty(times, batch, size, classes, device=rng.device, pin_memory=pinned)
    for each in numbers:
        each[:, :drawn].uniform_(generator=rng)  # in the order of the positions
    return numbers


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
