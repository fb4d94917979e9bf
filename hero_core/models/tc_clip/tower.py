"""TC-CLIP's vision tower (Kim et al., ECCV 2024): the frozen video encoder of HERO (paper, section 3.1).

A CLIP ViT reads every frame by itself, and the frames of a clip see each other through *context tokens*: after
the attention of each layer, the patches that the class token attends to most (the seeds) are merged into a few
summaries of the whole clip, which are further keys and values in the next layer's attention.

Seeds and merging are discrete: rounding (another device, dtype or batch shape) can change which are taken, and
with them the features of some clips. Features belong to one numeric path.

Parameter names are CLIP's and TC-CLIP's own, so that their weights load without a table of names.
"""

from collections.abc import Iterator
from typing import NamedTuple, Self, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from pydantic import Field, model_validator
from torch import Tensor, nn

from hero_core.config import Config
from hero_core.models.tc_clip.merging import merge_tokens, take

ARITHMETIC = "2"
"""Counts the ways in which the tower has been computed that differ in their last bits."""

SHARPNESS = 1.702
"""Of QuickGELU's sigmoid."""


class TcClipConfig(Config):
    """Sizes of the tower; the defaults are ViT-B/16 as HERO uses it.

    Attributes:
        image_size: side of the square frames, in pixels.
        frames: frames per clip; ``context_tokens`` are shared by all of them.
        seed_ratio: share of each frame's patches that become seeds.
        merge_rate: how many tokens a merging step removes.
    """

    image_size: int = Field(default=224, ge=1)
    patch_size: int = Field(default=16, ge=1)
    width: int = Field(default=768, ge=1)
    layers: int = Field(default=12, ge=1)
    heads: int = Field(default=12, ge=1)
    out_dim: int = Field(default=512, ge=1)
    frames: int = Field(default=16, ge=1)
    context_tokens: int = Field(default=96, ge=1)
    seed_ratio: float = Field(default=0.3, gt=0, le=1)
    merge_rate: int = Field(default=100, ge=1)

    @property
    def patches(self) -> int:
        """Patches per frame."""
        return (self.image_size // self.patch_size) ** 2

    @property
    def seeds(self) -> int:
        """Seed patches per frame."""
        return int(self.patches * self.seed_ratio)

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.image_size % self.patch_size:
            raise ValueError(
                f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size}"
            )
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        if self.seeds < 1:
            raise ValueError(f"seed_ratio {self.seed_ratio} of {self.patches} patches leaves no seed")
        return self


class LayerState(NamedTuple):
    """What one layer made of a batch of clips.

    Attributes:
        class_tokens: the class token of every frame, ``(b, t, width)``.
        patches: the patch tokens of every frame, ``(b, t, patches, width)``; None in the last layer.
        seeds: patches by falling attention of the class token, ``(b, t, seeds)``, indices from 0.
        context_tokens: the summary before its feed-forward, ``(b, k, width)``; None in the last layer, where
            nobody reads it.
    """

    class_tokens: Tensor
    patches: Tensor | None
    seeds: Tensor
    context_tokens: Tensor | None


class LayerNorm(nn.LayerNorm):
    """Layer normalisation that never computes below float32."""

    def forward(self, x: Tensor) -> Tensor:
        """``(..., d)`` -> ``(..., d)`` in the input's dtype."""
        dtype = torch.promote_types(x.dtype, torch.float32)
        y = F.layer_norm(
            x.to(dtype), self.normalized_shape, self.weight.to(dtype), self.bias.to(dtype), self.eps
        )
        return y.to(x.dtype)


class ContextAttention(nn.Module):
    """Multi-head attention of each frame over its own tokens and, past the first layer, the clip's context."""

    def __init__(self, width: int, heads: int, sees_context: bool) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)
        if sees_context:  # one bias for all local keys, one for all context keys
            self.local_global_bias_table = nn.Parameter(torch.zeros(heads, 1, 2))

    def forward(self, local: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Attend, and say how much the class token looks at every local token.

        Args:
            local: each frame's own tokens, ``(b, t, n, d)``, class token first.
            context: the clip's context tokens, ``(b, k, d)``; None in the first layer.

        Returns:
            The attended values ``(b, t, n, d)``, and the class token's attention to the local tokens
            ``(b, t, n)``: softmax over local and context keys, mean over heads, float32 or better.
        """
        key, value, bias = self.k_proj(local), self.v_proj(local), None  # (b, t, n, d)
        if context is not None:
            key = _append(key, self.k_proj(context))  # (b, t, n + k, d)
            value = _append(value, self.v_proj(context))
            bias = self._bias(local.shape[2], context.shape[1])
        query, key, value = (
            self._heads(x.flatten(0, 1)).transpose(1, 2) for x in (self.q_proj(local), key, value)
        )  # (b·t, h, n, e)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        output = self.out_proj(attended.transpose(1, 2).reshape(local.shape))
        return output, self._class_attention(local, context, bias)[..., : local.shape[2]].mean(dim=2)

    def of_class_tokens(self, local: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """What :meth:`forward` says of the class tokens, ``(b, t, 1, d)`` and ``(b, t, n)``, without the rest.

        Values are not projected either: a weighted mean of ``V x`` is V of the weighted mean of x.
        """
        n = local.shape[2]
        bias = None if context is None else self._bias(n, context.shape[1])
        attention = self._class_attention(local, context, bias)  # (b, t, h, n + k)
        weights = attention.to(local.dtype)
        mean = weights[..., :n] @ local  # (b, t, h, d)
        if context is not None:
            mean = mean + weights[..., n:] @ context.unsqueeze(1)
        value_weight = rearrange(self.v_proj.weight, "(h e) d -> h e d", h=self.heads)
        attended = torch.einsum("bthd,hed->bthe", mean, value_weight).flatten(2) + self.v_proj.bias
        output: Tensor = self.out_proj(attended).unsqueeze(2)
        return output, attention[..., :n].mean(dim=2)

    def _class_attention(self, local: Tensor, context: Tensor | None, bias: Tensor | None) -> Tensor:
        """Every head's attention from the class token to local and context tokens: ``(b, t, h, n + k)``.

        For one query it is less work to carry it over to the tokens than the tokens to it: ``q · K x = Kᵀ q · x``.
        """
        query = self._heads(self.q_proj(local[:, :, 0]))  # (b, t, h, e)
        query = query * query.shape[-1] ** -0.5
        offset = (query * self._heads(self.k_proj.bias)).sum(dim=-1, keepdim=True)  # (b, t, h, 1)
        key_weight = rearrange(self.k_proj.weight, "(h e) d -> h e d", h=self.heads)
        query = torch.einsum("bthe,hed->bthd", query, key_weight)
        logits = query @ local.mT  # (b, t, h, n)
        if context is not None and bias is not None:
            logits = torch.cat([logits, query @ context.unsqueeze(1).mT], dim=-1) + bias.squeeze(2)
        dtype = torch.promote_types(logits.dtype, torch.float32)
        attention: Tensor = (logits + offset).softmax(dim=-1, dtype=dtype)
        return attention

    def _heads(self, x: Tensor) -> Tensor:
        """``(..., d)`` -> ``(..., h, e)``."""
        return x.view(*x.shape[:-1], self.heads, -1)

    def _bias(self, local: int, context: int) -> Tensor:
        """``(1, h, 1, n + k)``, and 4-d: torch's fused attention takes no less."""
        table = self.local_global_bias_table.unsqueeze(0)  # (1, h, 1, 2)
        return torch.cat(
            [table[..., :1].expand(-1, -1, -1, local), table[..., 1:].expand(-1, -1, -1, context)], dim=-1
        )


def _append(local: Tensor, context: Tensor) -> Tensor:
    """The same context for every frame: ``(b, t, n, d)`` and ``(b, k, d)`` -> ``(b, t, n + k, d)``."""
    return torch.cat([local, context.unsqueeze(1).expand(-1, local.shape[1], -1, -1)], dim=2)


class Mlp(nn.Module):
    """CLIP's feed-forward, with QuickGELU: ``h · sigmoid(1.702 h) = silu(1.702 h) / 1.702``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., d)`` -> ``(..., d)``."""
        # The factors go into the products: the hidden layer is the largest tensor, and each pass over it costs.
        hidden = torch.addmm(
            SHARPNESS * self.c_fc.bias, x.flatten(0, -2), self.c_fc.weight.T, alpha=SHARPNESS
        )  # (n, 4d)
        hidden = F.silu(hidden, inplace=True)
        output = torch.addmm(self.c_proj.bias, hidden, self.c_proj.weight.T, alpha=1 / SHARPNESS)
        return output.view_as(x)


class Block(nn.Module):
    """A pre-norm transformer layer."""

    def __init__(self, config: TcClipConfig, sees_context: bool) -> None:
        super().__init__()
        self.attn = ContextAttention(config.width, config.heads, sees_context)
        self.ln_1 = LayerNorm(config.width)
        self.mlp = Mlp(config.width)
        self.ln_2 = LayerNorm(config.width)

    def attend(self, tokens: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """The first half, ``(b, t, n, d)``, and the attention of the class tokens."""
        attended, attention = self.attn(*self._normalised(tokens, context))
        return tokens + attended, attention

    def attend_class_tokens(self, tokens: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """The first half of the class tokens alone, ``(b, t, 1, d)``, and their attention."""
        attended, attention = self.attn.of_class_tokens(*self._normalised(tokens, context))
        return tokens[:, :, :1] + attended, attention

    def feed_forward(self, tokens: Tensor) -> Tensor:
        """The second half, token by token."""
        output: Tensor = tokens + self.mlp(self.ln_2(tokens))
        return output

    def _normalised(self, tokens: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return self.ln_1(tokens), None if context is None else self.ln_1(context)


class Transformer(nn.Module):
    """The layers, and the context tokens that go from each to the next."""

    def __init__(self, config: TcClipConfig) -> None:
        super().__init__()
        self.config = config
        self.resblocks = nn.ModuleList(Block(config, sees_context=i > 0) for i in range(config.layers))

    def forward(self, tokens: Tensor) -> Iterator[LayerState]:
        """Yield the state after every layer for ``tokens (b, t, 1 + patches, d)``, class tokens first."""
        context: Tensor | None = None
        *blocks, last = cast("list[Block]", list(self.resblocks))
        for block in blocks:
            tokens, attention = block.attend(tokens, context)
            seeds = self._seeds(attention)
            summary = self._summarise(tokens[:, :, 1:], seeds)  # (b, k, d)
            tokens, context = block.feed_forward(tokens), block.feed_forward(summary)
            yield LayerState(tokens[:, :, 0], tokens[:, :, 1:], seeds, summary)
        # After the last layer only class tokens are read, so only they are computed.
        tokens, attention = last.attend_class_tokens(tokens, context)
        yield LayerState(last.feed_forward(tokens)[:, :, 0], None, self._seeds(attention), None)

    def _seeds(self, attention: Tensor) -> Tensor:
        """``(b, t, 1 + patches)`` -> ``(b, t, seeds)``; the order matters to the merging."""
        return attention[..., 1:].argsort(dim=-1, descending=True, stable=True)[..., : self.config.seeds]

    def _summarise(self, patches: Tensor, seeds: Tensor) -> Tensor:
        """``(b, t, n, d)`` and ``(b, t, s)`` -> ``(b, k, d)``."""
        chosen = take(patches.flatten(0, 1), seeds.flatten(0, 1))  # (b·t, s, d)
        return merge_tokens(
            chosen.view(len(seeds), -1, chosen.shape[-1]), self.config.context_tokens, self.config.merge_rate
        )


class TcClip(nn.Module):
    """TC-CLIP's vision tower: clips in, one feature vector per frame out, not L2-normalised."""

    def __init__(self, config: TcClipConfig) -> None:
        super().__init__()
        self.config = config
        width, patch = config.width, config.patch_size
        self.conv1 = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros(1 + config.patches, width))
        self.ln_pre = LayerNorm(width)
        self.transformer = Transformer(config)
        self.ln_post = LayerNorm(width)
        self.proj = nn.Parameter(torch.zeros(width, config.out_dim))

    def forward(self, video: Tensor) -> Tensor:
        """Encode clips.

        Args:
            video: normalised RGB frames, ``(b, t, 3, image_size, image_size)`` with t = ``config.frames``.

        Returns:
            Features of every frame, ``(b, t, out_dim)``; a clip's global feature is their mean.

        Raises:
            ValueError: the frames are of another number or size.
        """
        for state in self.layers(video):
            last = state
        return self.project(last.class_tokens)  # (b, t, out_dim)

    def layers(self, video: Tensor) -> Iterator[LayerState]:
        """The state after every layer, first to last, for looking inside; arguments as for ``forward``."""
        expected = (self.config.frames, 3, self.config.image_size, self.config.image_size)
        if tuple(video.shape[1:]) != expected:
            raise ValueError(f"the tower reads clips of shape (b, {', '.join(map(str, expected))}), "
                             f"not {tuple(video.shape)}")  # fmt: skip
        yield from self.transformer(self._embed(video))

    def project(self, class_tokens: Tensor) -> Tensor:
        """Class tokens ``(..., width)`` in the space of the features ``(..., out_dim)``."""
        projected: Tensor = self.ln_post(class_tokens) @ self.proj
        return projected

    def _embed(self, video: Tensor) -> Tensor:
        """Tokens of every frame: ``(b, t, 3, s, s)`` -> ``(b, t, 1 + patches, width)``, class token first."""
        side = self.config.patch_size
        pixels = rearrange(video, "b t c (y p) (x q) -> b t (y x) (c p q)", p=side, q=side)
        # The patch convolution as a matrix product: cuDNN's convolutions round to TF32 unless told otherwise.
        patches = F.linear(pixels, self.conv1.weight.flatten(1))  # (b, t, patches, width)
        class_tokens = self.class_embedding.expand(*patches.shape[:2], 1, -1)
        tokens: Tensor = self.ln_pre(torch.cat([class_tokens, patches], dim=2) + self.positional_embedding)
        return tokens

    @torch.no_grad()
    def initialise(self, rng: torch.Generator) -> Self:
        """Random weights with CLIP's scales, from ``rng`` alone."""
        width, layers = self.config.width, self.config.layers
        input_std, output_std = width**-0.5, width**-0.5 * (2 * layers) ** -0.5
        stds = {"out_proj": output_std, "c_proj": output_std, "c_fc": (2 * width) ** -0.5}
        for name, parameter in self.named_parameters():
            owner, kind = name.split(".")[-2:] if "." in name else ("", name)
            if owner.startswith("ln_"):
                parameter.fill_(1.0 if kind == "weight" else 0.0)
            elif kind in ("bias", "local_global_bias_table"):
                parameter.zero_()
            elif owner == "conv1":
                parameter.normal_(0.0, parameter[0].numel() ** -0.5, generator=rng)
            else:
                parameter.normal_(0.0, stds.get(owner, input_std), generator=rng)
        return self
