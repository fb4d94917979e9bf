"""HERO: a reaction from a video (paper, section 3)."""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from hero_core.batch import Batch
from hero_core.errors import ConfigError, InputError
from hero_core.models.codec import MotionCodec
from hero_core.models.features import VideoFeatures
from hero_core.models.masked import MaskedTransformer
from hero_core.models.residual import ResidualTransformer
from hero_core.models.sampling import SamplingConfig, generating


class Generator(Protocol):
    """What evaluation and rendering need of a reaction generator; HERO is one."""

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Named losses of a batch; ``total`` is the one to minimise."""

    def generate(self, condition: VideoFeatures, lengths: Tensor, rng: torch.Generator) -> Tensor:
        """Motions ``(b, n, 263)`` in HumanML3D units for videos and wanted ``lengths`` ``(b,)`` in frames."""


class Hero(nn.Module):
    """Tokenizer, masked transformer and residual transformer as one generator.

    Raises:
        ConfigError: the three were not made for the same codes.
    """

    def __init__(
        self,
        codec: MotionCodec,
        masked: MaskedTransformer,
        residual: ResidualTransformer,
        sampling: SamplingConfig | None = None,
    ) -> None:
        super().__init__()
        self.codec = codec
        self.masked = masked
        self.residual = residual
        self.sampling = sampling or SamplingConfig()
        sizes = {
            "codebook_size": {
                codec.config.codebook_size,
                masked.config.codebook_size,
                residual.config.codebook_size,
            },
            "quantizers": {codec.config.quantizers, residual.config.quantizers},
            "feature_dim": {masked.config.feature_dim, residual.config.feature_dim},
        }
        differing = [f"{name} {sorted(values)}" for name, values in sizes.items() if len(values) > 1]
        if differing:
            raise ConfigError(f"tokenizer and transformers do not fit together: {', '.join(differing)}")

    @property
    def max_length(self) -> int:
        """Longest reaction, in frames."""
        tokens = min(self.masked.config.max_tokens, self.residual.config.max_tokens)
        return tokens * self.codec.unit_length

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Losses and accuracies of both transformers on the tokens of a batch; the tokenizer does not learn.

        The motion's frames must be a multiple of the tokenizer's unit length.
        """
        tokens = self.codec.encode(batch.motion, batch.lengths)  # (b, m, q)
        token_lengths = batch.lengths // self.codec.unit_length
        masked = self.masked.losses(tokens[..., 0], token_lengths, batch.condition, rng)
        residual = self.residual.losses(tokens, token_lengths, batch.condition, rng)
        return {
            "total": masked["total"] + residual["total"],
            "masked": masked["total"],
            "masked_accuracy": masked["accuracy"],
            "residual": residual["total"],
            "residual_accuracy": residual["accuracy"],
        }

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
            InputError: not one length a clip, or a length is shorter than one token or longer than ``max_length``.
        """
        self._check_lengths(condition, lengths)
        token_lengths = lengths.to(condition.frames.device) // self.codec.unit_length
        with generating(self):
            base = self.masked.generate(condition, token_lengths, rng, self.sampling)  # (b, m)
            tokens = self.residual.generate(base, condition, token_lengths, rng, self.sampling)  # (b, m, q)
            if self.sampling.decode_padded:
                return self.codec.decode(tokens)
            return self._decode_each_length(tokens, token_lengths)

    def _decode_each_length(self, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        # padding would reach a motion's last frames through the decoder's convolutions
        motions: dict[int, Tensor] = {}
        for length in sorted(set(token_lengths.tolist())):
            rows = (token_lengths == length).nonzero()[:, 0]
            motions |= zip(rows.tolist(), self.codec.decode(tokens[rows, :length]), strict=True)
        return pad_sequence([motions[row] for row in range(len(tokens))], batch_first=True)  # (b, n, 263)

    def _check_lengths(self, condition: VideoFeatures, lengths: Tensor) -> None:
        if lengths.shape != condition.frames.shape[:1] or not len(lengths):
            raise InputError(
                f"{len(condition.frames)} videos need as many lengths, found the shape {tuple(lengths.shape)}"
            )
        shortest, longest = int(lengths.min()), int(lengths.max())
        if shortest < self.codec.unit_length or longest > self.max_length:
            wrong = shortest if shortest < self.codec.unit_length else longest
            raise InputError(
                f"a reaction of {wrong} frames cannot be generated: "
                f"ask for {self.codec.unit_length} to {self.max_length} frames"
            )
