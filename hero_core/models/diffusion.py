"""Gaussian diffusion: how noise is added to data over many steps, and taken away again over as many or fewer.

A schedule is a set of float64 tables on the CPU; what is computed from data uses them rounded to float32. Steps are
counted from 0, the least noise. References: Ho et al., NeurIPS 2020 (DDPM); Nichol and Dhariwal, ICML 2021 (the cosine
schedule, fewer steps); Song et al., ICLR 2021 (DDIM).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, repeat
from typing import Self, TypeAlias

import torch
from torch import Tensor, nn

from hero_core.models.sampling import uniform_from

Normal: TypeAlias = Callable[[Sequence[int]], Tensor]
"""Source of randomness: from a shape, standard normal numbers."""

_COSINE_OFFSET = 0.008
_MOST_BETA = 0.999


def normal_from(rng: torch.Generator, device: torch.device) -> Normal:
    """Draw on the generator's device and move to ``device``: a CPU generator gives the same numbers everywhere."""

    def normal(shape: Sequence[int]) -> Tensor:
        return torch.randn(*shape, generator=rng, device=rng.device).to(device)

    return normal


@dataclass(frozen=True, eq=False)
class Schedule:
    """How much of the signal each step leaves, float64 tables ``(t,)``.

    Attributes:
        betas: variance of the noise that each step adds.
        timesteps: what the network is told at each step, int64: the steps of the schedule that it was trained with.
        first_alpha: the share of the signal's variance before step 0.
    """

    betas: Tensor
    timesteps: Tensor
    first_alpha: float = 1.0

    @classmethod
    def cosine(cls, steps: int) -> Self:
        """What is left of the signal follows a squared cosine."""

        def left(progress: float) -> float:
            return math.cos((progress + _COSINE_OFFSET) / (1 + _COSINE_OFFSET) * math.pi / 2) ** 2

        betas = [min(1 - left((step + 1) / steps) / left(step / steps), _MOST_BETA) for step in range(steps)]
        return cls(torch.tensor(betas, dtype=torch.float64), torch.arange(steps))

    @classmethod
    def scaled_linear(cls, steps: int, first_beta: float, last_beta: float) -> Self:
        """Betas whose roots are evenly spaced; in float32, as latent diffusion models are trained with."""
        roots = torch.linspace(first_beta**0.5, last_beta**0.5, steps, dtype=torch.float32)
        return cls((roots**2).double(), torch.arange(steps))

    def respaced(self, timesteps: Sequence[int], first_alpha: float = 1.0) -> Self:
        """The schedule that goes through some steps of this one only, in rising order."""
        kept = torch.tensor(timesteps)
        alphas = self.alphas_cumprod[kept]
        before = torch.cat([alphas.new_tensor([first_alpha]), alphas[:-1]])
        return type(self)(1 - alphas / before, self.timesteps[kept], first_alpha)

    def __len__(self) -> int:
        return len(self.betas)

    @cached_property
    def alphas_cumprod(self) -> Tensor:
        """The signal's share of the variance after each step."""
        return self.first_alpha * (1 - self.betas).cumprod(0)

    @cached_property
    def alphas_cumprod_prev(self) -> Tensor:
        """The same before each step."""
        return torch.cat([self.betas.new_tensor([self.first_alpha]), self.alphas_cumprod[:-1]])

    @cached_property
    def signal(self) -> Tensor:
        """What the clean data are multiplied by."""
        return self.alphas_cumprod.sqrt()

    @cached_property
    def noise(self) -> Tensor:
        """What the noise is multiplied by."""
        return (1 - self.alphas_cumprod).sqrt()

    @cached_property
    def posterior_variance(self) -> Tensor:
        """Of the data before a step, given those after it and the clean ones; 0 before step 0."""
        return self.betas * (1 - self.alphas_cumprod_prev) / (1 - self.alphas_cumprod)

    @cached_property
    def posterior_clean(self) -> Tensor:
        """Weight of the clean data in the mean of that distribution."""
        return self.betas * self.alphas_cumprod_prev.sqrt() / (1 - self.alphas_cumprod)

    @cached_property
    def posterior_noisy(self) -> Tensor:
        """Weight of the data after the step in it."""
        return (1 - self.alphas_cumprod_prev) * (1 - self.betas).sqrt() / (1 - self.alphas_cumprod)

    def clean_of(self, noisy: Tensor, noise: Tensor, step: int) -> Tensor:
        """The clean data that ``noise`` made ``noisy`` at a step."""
        return (noisy - _at(self.noise, step) * noise) / _at(self.signal, step)

    def noise_of(self, noisy: Tensor, clean: Tensor, step: int) -> Tensor:
        """The noise that made ``noisy`` of ``clean`` at a step."""
        return (noisy - _at(self.signal, step) * clean) / _at(self.noise, step)

    def ancestral(self, noisy: Tensor, clean: Tensor, step: int, fresh: Tensor) -> Tensor:
        """Draw the data before a step from the posterior, by ``fresh`` standard normal numbers (DDPM)."""
        mean = _at(self.posterior_clean, step) * clean + _at(self.posterior_noisy, step) * noisy
        return mean + _at(self.posterior_variance.sqrt(), step) * fresh

    def ddim(self, clean: Tensor, noise: Tensor, step: int) -> Tensor:
        """The data before a step, made with the same noise as those after it (DDIM with eta 0)."""
        before = self.alphas_cumprod_prev
        return _at(before.sqrt(), step) * clean + _at((1 - before).sqrt(), step) * noise


def _at(table: Tensor, step: int) -> float:
    return float(table[step].float())


class Noising(nn.Module):
    """Adds the noise of a training step; its tables are where the network is, and no part of a checkpoint."""

    signal: Tensor
    noise: Tensor

    def __init__(self, schedule: Schedule) -> None:
        super().__init__()
        self.register_buffer("signal", schedule.signal.float(), persistent=False)
        self.register_buffer("noise", schedule.noise.float(), persistent=False)

    def forward(self, clean: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        """``clean`` ``(b, n, d)`` after ``steps`` ``(b,)``."""
        return self.signal[steps, None, None] * clean + self.noise[steps, None, None] * noise


@dataclass(frozen=True)
class DiffusionDraws:
    """All that is random in one training step.

    Attributes:
        steps: ``(b,)`` int64, how noisy each sample is.
        noise: ``(b, n, d)``, what it is made noisy with.
        drop_condition: ``(b,)`` bool.
    """

    steps: Tensor
    noise: Tensor
    drop_condition: Tensor

    @classmethod
    def draw(
        cls,
        shape: Sequence[int],
        steps: int,
        condition_drop: float,
        rng: torch.Generator,
        device: torch.device,
    ) -> Self:
        """Fresh draws for data of ``shape`` ``(b, n, d)`` and a schedule of so many steps."""
        uniform, batch = uniform_from(rng, device), shape[0]
        return cls(
            steps=(uniform((batch,)) * steps).long(),
            noise=normal_from(rng, device)(shape),
            drop_condition=uniform((batch,)) < condition_drop,
        )


def even_timesteps(total: int, count: int) -> list[int]:
    """``count`` of ``total`` steps, evenly spaced and both ends among them; of one step, the first."""
    stride = (total - 1) / (count - 1) if count > 1 else 1.0
    return [round(place) for place in accumulate(repeat(stride, count - 1), initial=0.0)]


def leading_timesteps(total: int, count: int, offset: int = 0) -> list[int]:
    """``count`` of ``total`` steps at a whole stride from ``offset`` on, as latent diffusion models are sampled."""
    stride = total // count
    return [place * stride + offset for place in range(count)]
