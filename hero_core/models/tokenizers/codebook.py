"""A codebook learned by exponential moving averages (paper, section 3.2)."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hero_core.models.ranks import ALONE, Ranks

CodeReset = Literal["random", "official"]

NO_CODE = -1
SMALLEST_UNIFORM = 1e-20


class Codebook(nn.Module):
    """One layer's codes: the moving average of the latents assigned to each.

    The averages are part of the state, so training goes on with the codebook that was loaded.

    Args:
        size: number of codes k.
        dim: dimension d of a code.
        decay: share of the old average that one update keeps.
        reset: what replaces a code used less than ``least_use``. ``random`` draws a row of the batch and restarts
            that code's average there. ``official`` takes row i for code i and keeps the stale average.
        least_use: rows of a batch, on average, that a code needs to stay; the smaller, the rarer what has a code.
    """

    codebook: Tensor
    code_sum: Tensor
    code_count: Tensor
    initialised: Tensor

    def __init__(self, size: int, dim: int, decay: float, reset: CodeReset, least_use: float = 1.0) -> None:
        super().__init__()
        self.decay = decay
        self.reset = reset
        self.least_use = least_use
        self.register_buffer("codebook", torch.zeros(size, dim))
        self.register_buffer("code_sum", torch.zeros(size, dim))
        self.register_buffer("code_count", torch.zeros(size))
        self.register_buffer("initialised", torch.tensor(False))
        self._has_codes = False

    def distances(self, latents: Tensor) -> Tensor:
        """Squared Euclidean distances of ``(n, d)`` latents to every code, ``(n, k)``."""
        products = latents @ self.codebook.T  # (n, k)
        return latents.square().sum(-1, keepdim=True) + self.codebook.square().sum(-1) - 2.0 * products

    def nearest(self, latents: Tensor) -> Tensor:
        """The nearest code of every ``(n, d)`` latent, ``(n,)``."""
        return self.distances(latents).argmin(-1)

    def sample(self, latents: Tensor, temperature: float, uniforms: Tensor) -> Tensor:
        """A code for every latent, drawn with probability softmax(-distance / temperature).

        Args:
            latents: ``(n, d)``.
            temperature: the smaller, the closer to :meth:`nearest`, which 0 means.
            uniforms: uniform random numbers in [0, 1), ``(n, k)``.

        Returns:
            ``(n,)`` codes.
        """
        if temperature == 0.0:
            return self.nearest(latents)
        exponential = -uniforms.clamp(min=SMALLEST_UNIFORM).log()
        gumbel = -exponential.clamp(min=SMALLEST_UNIFORM).log()  # (n, k)
        return (gumbel - self.distances(latents) / temperature).argmax(-1)

    def look_up(self, tokens: Tensor) -> Tensor:
        """Code vectors of tokens of any shape, ``(...)`` -> ``(..., d)``; ``-1`` gives the zero vector."""
        vectors = F.embedding(tokens.clamp(min=0), self.codebook)
        return vectors.masked_fill((tokens == NO_CODE)[..., None], 0.0)

    def perplexity(self, tokens: Tensor) -> Tensor:
        """How many codes ``(n,)`` tokens use effectively: exp of the entropy of their distribution."""
        share = self._uses(tokens) / len(tokens)  # (k,)
        return (-(share * (share + 1e-7).log()).sum()).exp()

    @torch.no_grad()
    def start(self, latents: Tensor, rng: torch.Generator) -> None:
        """Unless it has codes already, start from rows of the ``(n, d)`` batch, each counted as used once."""
        self._has_codes = self._has_codes or bool(self.initialised)  # asks the device no oftener than needed
        if self._has_codes:
            return
        self.codebook.copy_(self._batch_rows(latents, rng))
        self.code_sum.copy_(self.codebook)
        self.code_count.fill_(1.0)
        self.initialised.fill_(True)

    @torch.no_grad()
    def update(
        self,
        latents: Tensor,
        tokens: Tensor,
        rng: torch.Generator,
        used: Tensor | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        """Move every code towards the ``(n, d)`` latents that took it, and reset the codes out of use.

        Where ``used`` ``()`` is False, nothing changes. Several ranks, all with the same latents, get the same codes.
        """
        latents = latents.to(self.code_sum)
        sums = (self.code_sum * self.decay).index_add_(0, tokens, latents, alpha=1.0 - self.decay)  # (k, d)
        ranks.average_([sums])  # a GPU adds in any order, which rounds differently on each
        counts = (self.code_count * self.decay).add_(self._uses(tokens), alpha=1.0 - self.decay)  # (k,)
        fresh = self._batch_rows(latents, rng)  # (k, d)
        rare = counts < self.least_use  # (k,)
        average = sums / counts.clamp(min=self.least_use)[:, None]
        codes = torch.where(rare[:, None], fresh, average)
        if self.reset == "random":
            sums = torch.where(rare[:, None], fresh, sums)
            counts = counts.masked_fill(rare, 1.0)
        for buffer, value in ((self.codebook, codes), (self.code_sum, sums), (self.code_count, counts)):
            buffer.copy_(value if used is None else torch.where(used, value, buffer))

    def _uses(self, tokens: Tensor) -> Tensor:
        """How many of ``(n,)`` tokens took each code, ``(k,)``."""
        return torch.zeros_like(self.code_count).index_add_(0, tokens, self.code_count.new_ones(len(tokens)))

    def _batch_rows(self, latents: Tensor, rng: torch.Generator) -> Tensor:
        """A row of the batch for every code, ``(k, d)``; where rows repeat, noise tells them apart."""
        size, dim = self.codebook.shape
        rows = torch.arange(latents.shape[0], device=latents.device)
        if self.reset == "random":
            order = torch.rand(latents.shape[0], generator=rng, device=rng.device).argsort()
            rows = order.to(latents.device)  # a permutation
        repeats = -(-size // latents.shape[0])
        chosen = latents[rows.repeat(repeats)[:size]]  # (k, d)
        if repeats == 1:
            return chosen
        noise = torch.randn(size, dim, generator=rng, device=rng.device).to(latents)
        return chosen + noise * 0.01 / math.sqrt(dim)
