"""HERO: a reaction from a video (paper, section 3)."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from hero_core.config import Config
from hero_core.errors import ConfigError, InputError
from hero_core.models.base import VideoFeatures, register
from hero_core.models.generators.hero.masked import MaskedTransformer
from hero_core.models.generators.hero.residual import ResidualTransformer
from hero_core.models.generators.hero.settings import HeroSampling, HeroSettings
from hero_core.models.sampling import generating, uniform_from
from hero_core.models.tokenizers.rvq import RvqTokenizer


@register
class Hero(nn.Module):
    """Tokenizer, masked transformer and residual transformer as one generator."""

    kind: ClassVar[str] = "hero"
    parts: ClassVar[Mapping[str, type[Any]]] = {
        "rvq": RvqTokenizer,
        "masked": MaskedTransformer,
        "residual": ResidualTransformer,
    }
    settings: ClassVar[type[Config]] = HeroSettings
    sampling_settings: ClassVar[type[Config]] = HeroSampling

    tokenizer: RvqTokenizer
    masked: MaskedTransformer
    residual: ResidualTransformer | None

    def __init__(self, parts: Mapping[str, Any], sampling: HeroSampling | None = None) -> None:
        """Put the parts together; without a residual transformer, reactions are made of base tokens alone.

        Raises:
            ConfigError: they were not made for the same codes and features.
        """
        super().__init__()
        self.tokenizer, self.masked = parts["rvq"], parts["masked"]
        self.residual = parts.get("residual")
        self.sampling = sampling or HeroSampling()
        configs = {name: part.config for name, part in parts.items()}
        for name in ("codebook_size", "quantizers", "feature_dim"):
            sizes = {part: getattr(config, name) for part, config in configs.items() if hasattr(config, name)}
            if len(set(sizes.values())) > 1:
                shown = ", ".join(f"{part} {size}" for part, size in sizes.items())
                raise ConfigError(f"the parts do not fit together: {name} is {shown}")

    @property
    def feature_dim(self) -> int:
        """Length of a feature vector."""
        return self.masked.config.feature_dim

    @property
    def max_length(self) -> int:
        """Longest reaction, in frames."""
        transformers = (self.masked, self.residual) if self.residual else (self.masked,)
        return min(each.config.max_tokens for each in transformers) * self.tokenizer.unit_length

    def generate(self, condition: VideoFeatures, lengths: Tensor, rng: torch.Generator) -> Tensor:
        """Reactions to videos.

        Args:
            condition: features of ``b`` clips.
            lengths: ``(b,)`` int64 frames; rounded down to whole tokens (four frames).
            rng: decides everything that is random; a CPU generator gives the same draws on every device.

        Returns:
            ``(b, n, 263)`` in HumanML3D units, n the longest rounded length; zero past each rounded length unless
            ``sampling.decode_padded``.

        Raises:
            InputError: not one length for each clip, or one shorter than a token or longer than ``max_length``.
        """
        self._check_lengths(condition, lengths)
        device = condition.frames.device
        token_lengths = lengths.to(device) // self.tokenizer.unit_length
        uniform = uniform_from(rng, device)
        with generating(self):
            tokens = self.masked.generate(condition, token_lengths, uniform, self.sampling)[
                ..., None
            ]  # (b, m, 1)
            if self.residual is not None:
                tokens = self.residual.generate(
                    tokens[..., 0], condition, token_lengths, uniform, self.sampling
                )  # (b, m, q)
            if self.sampling.decode_padded:
                return self.tokenizer.decode(tokens)
            return self._decode_each_length(tokens, token_lengths)

    @torch.no_grad()
    def reconstruct(self, motion: Tensor, lengths: Tensor) -> Tensor:
        """Motions ``(b, n, 263)`` through the tokenizer and back, zero past each length."""
        return self.tokenizer.decode(self.tokenizer.encode(motion, lengths), lengths)

    def _decode_each_length(self, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        # padding would reach a motion's last frames through the decoder's convolutions
        motions: dict[int, Tensor] = {}
        for length in sorted(set(token_lengths.tolist())):
            rows = (token_lengths == length).nonzero()[:, 0]
            motions |= zip(rows.tolist(), self.tokenizer.decode(tokens[rows, :length]), strict=True)
        return pad_sequence([motions[row] for row in range(len(tokens))], batch_first=True)  # (b, n, 263)

    def _check_lengths(self, condition: VideoFeatures, lengths: Tensor) -> None:
        if lengths.shape != condition.frames.shape[:1] or not len(lengths):
            raise InputError(
                f"{len(condition.frames)} videos need as many lengths, found the shape {tuple(lengths.shape)}"
            )
        unit = self.tokenizer.unit_length
        for length in (int(lengths.min()), int(lengths.max())):
            if not unit <= length <= self.max_length:
                raise InputError(
                    f"a reaction of {length} frames cannot be generated: ask for {unit} to {self.max_length} frames"
                )
