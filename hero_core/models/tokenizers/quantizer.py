"""Residual vector quantisation (paper, section 3.2)."""

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hero_core.models.ranks import ALONE, Ranks
from hero_core.models.tokenizers.codebook import NO_CODE, Codebook, CodeReset


class Quantized(NamedTuple):
    """What residual quantisation makes of a batch of latents.

    Attributes:
        vectors: sum of the codes of all active layers, ``(b, n, d)``. Its gradient passes straight through to
            the latents once for every active layer, as in the official release.
        tokens: ``(b, n, q)`` int64; ``-1`` in the layers that were left out.
        commitments: mean squared distance of a layer's input to its code, ``(layers,)`` of those that were asked for.
        perplexities: how many codes of a layer the batch used effectively, ``(layers,)``.
        used: ``(layers,)`` bool, False in those that quantise dropout left out.
    """

    vectors: Tensor
    tokens: Tensor
    commitments: Tensor
    perplexities: Tensor
    used: Tensor

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the used layers of ``values`` ``(layers,)``."""
        return (values * self.used).sum() / self.used.sum()


class ResidualQuantizer(nn.Module):
    """Layers of codebooks, each coding what the layers before it left over.

    Args:
        quantizers: number of layers q.
        codebook_size: codes k in each layer.
        dim: dimension d of latents and codes.
        decay: of the moving averages.
        reset: see :class:`hero_core.models.tokenizers.codebook.Codebook`.
        temperature: of the sampling of codes in training; 0 takes the nearest.
        least_use: see :class:`hero_core.models.tokenizers.codebook.Codebook`.
        quantize_dropout: chance that a training batch uses only the first layers, 1 to all of them.
    """

    def __init__(
        self,
        quantizers: int,
        codebook_size: int,
        dim: int,
        decay: float = 0.99,
        reset: CodeReset = "random",
        least_use: float = 1.0,
        temperature: float = 0.5,
        quantize_dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.quantize_dropout = quantize_dropout
        self.layers = nn.ModuleList(
            Codebook(codebook_size, dim, decay, reset, least_use) for _ in range(quantizers)
        )

    @property
    def codebooks(self) -> list[Codebook]:
        """The layers, first to last."""
        return cast(list[Codebook], list(self.layers))

    def forward(
        self,
        latents: Tensor,
        rng: torch.Generator | None = None,
        active: int | None = None,
        uniforms: Tensor | None = None,
        ranks: Ranks = ALONE,
    ) -> Quantized:
        """Quantise; in training mode also sample codes, drop layers and update the codebooks.

        Args:
            latents: ``(b, n, d)``.
            rng: source of all randomness; needed in training mode, unused otherwise.
            active: how many layers to use; None for all, or in training for as many as quantise dropout draws: then all
                are computed, so that nothing waits to know how many.
            uniforms: ``(q, b * n, k)`` numbers in [0, 1) to sample the codes with, instead of drawing them.
            ranks: the processes that have the other rows of the batch, which the codebooks learn from too; all have the
                same ``rng``.

        Raises:
            ValueError: training mode without ``rng``.
        """
        layers = self.codebooks[:active]
        drawn = self._draw_active(rng) if active is None and self.training else len(layers)
        used = torch.arange(len(layers), device=latents.device) < drawn  # (layers,)
        residual = latents
        total = torch.zeros_like(latents)
        columns, commitments, perplexities = [], [], []
        for index, layer in enumerate(layers):
            flat = residual.detach().flatten(0, 1)  # (b * n, d)
            numbers = None if uniforms is None else uniforms[index]
            chosen, codes, everyones = self._quantise(layer, flat, used[index], rng, numbers, ranks)
            codes = codes.view_as(residual)  # (b, n, d)
            columns.append(chosen.view(latents.shape[:2]).masked_fill(~used[index], NO_CODE))
            commitments.append(F.mse_loss(residual, codes))
            perplexities.append(layer.perplexity(everyones))
            passed = residual + (codes - residual).detach()  # straight through, once per layer
            total = total + torch.where(used[index], passed, 0.0)
            residual = residual - codes
        left_out = len(self.layers) - len(layers)
        tokens = F.pad(torch.stack(columns, -1), (0, left_out), value=NO_CODE)  # (b, n, q)
        return Quantized(total, tokens, torch.stack(commitments), torch.stack(perplexities), used)

    def encode(self, latents: Tensor) -> Tensor:
        """The nearest codes of ``(b, n, d)`` latents, layer by layer, ``(b, n, q)``."""
        residual = latents
        columns = []
        for layer in self.codebooks:
            columns.append(layer.nearest(residual.flatten(0, 1)).view(latents.shape[:2]))
            residual = residual - layer.look_up(columns[-1])
        return torch.stack(columns, -1)

    def look_up(self, tokens: Tensor) -> Tensor:
        """Every layer's code vectors, ``(b, n, c)`` tokens of the first c layers -> ``(b, n, c, d)``.

        Raises:
            ValueError: more columns than layers.
        """
        columns = tokens.unbind(-1)
        if len(columns) > len(self.layers):
            raise ValueError(f"{len(columns)} columns of tokens for {len(self.layers)} quantizers")
        pairs = zip(self.codebooks, columns, strict=False)  # fewer columns leave the last layers out
        return torch.stack([layer.look_up(column) for layer, column in pairs], -2)

    def _quantise(
        self,
        layer: Codebook,
        latents: Tensor,
        used: Tensor,
        rng: torch.Generator | None,
        uniforms: Tensor | None,
        ranks: Ranks,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens ``(n,)`` of ``(n, d)`` latents, their codes ``(n, d)``, and the tokens of all ranks.

        The codes are those before the update that the latents of all ranks cause.
        """
        if not self.training:
            nearest = layer.nearest(latents)
            return nearest, layer.look_up(nearest), ranks.gather(nearest)
        rng = _required(rng)
        everyones = ranks.gather(latents)  # (n of all ranks, d)
        layer.start(everyones, rng)
        if uniforms is None:
            uniforms = torch.rand(len(everyones), len(layer.codebook), generator=rng, device=rng.device)
        chosen = layer.sample(latents, self.temperature, ranks.own(uniforms).to(latents))
        codes = layer.look_up(chosen)
        taken = ranks.gather(chosen)
        layer.update(everyones, taken, rng, used, ranks)
        return chosen, codes, taken

    def _draw_active(self, rng: torch.Generator | None) -> Tensor:
        rng = _required(rng)
        drop = torch.rand((), generator=rng, device=rng.device) < self.quantize_dropout
        last = torch.randint(len(self.layers), (), generator=rng, device=rng.device)
        return torch.where(drop, last + 1, len(self.layers))  # (), on the device


def _required(rng: torch.Generator | None) -> torch.Generator:
    if rng is None:
        raise ValueError("training mode needs a torch.Generator: pass rng, or call eval() first")
    return rng
