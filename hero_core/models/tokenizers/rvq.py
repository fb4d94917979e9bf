"""The motion tokenizer: convolutions around residual vector quantisation (paper, section 3.2)."""

from typing import Any, ClassVar, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hero_core.errors import ConfigError, InputError
from hero_core.models.base import Batch, TrainingFacts
from hero_core.models.normalisation import Normalisation
from hero_core.models.padding import valid_mask, zero_past
from hero_core.models.ranks import ALONE, Ranks
from hero_core.models.tokenizers.codebook import NO_CODE
from hero_core.models.tokenizers.coder import MotionDecoder, MotionEncoder
from hero_core.models.tokenizers.quantizer import Quantized, ResidualQuantizer
from hero_core.models.tokenizers.rvq_config import RvqConfig
from hero_core.motion.format import FRAMES_PER_TOKEN
from hero_core.motion.humanml3d import LOCAL_POSITIONS


class RvqTokenizer(nn.Module):
    """Motions of any length in HumanML3D units <-> tokens: the network together with its statistics."""

    kind: ClassVar[str] = "rvq"
    settings: ClassVar[type[RvqConfig]] = RvqConfig
    trained_on: ClassVar[Literal["windows"]] = "windows"
    encoded_by: ClassVar[None] = None
    metric: ClassVar[str] = "reconstruction"
    validation_draws: ClassVar[int] = 1
    recordable: ClassVar[bool] = True
    blocks: ClassVar[tuple[type[Any], ...]] = ()

    def __init__(self, config: RvqConfig) -> None:
        super().__init__()
        self.config = config
        self.normalisation = Normalisation(config.motion_dim)
        self.network = RvqNetwork(config)

    @classmethod
    def build(cls, config: RvqConfig, facts: TrainingFacts) -> Self:
        """A new tokenizer with the statistics of the training motions.

        Raises:
            ConfigError: its tokens would not stand for four frames.
        """
        if config.unit_length != FRAMES_PER_TOKEN:
            raise ConfigError(f"rvq.model.downsamplings must make tokens of {FRAMES_PER_TOKEN} frames")
        tokenizer = cls(config)
        tokenizer.normalisation.take(facts.statistics)
        return tokenizer

    @property
    def unit_length(self) -> int:
        """Frames that a token stands for."""
        return self.config.unit_length

    @property
    def frames_per_code(self) -> int:
        """See :class:`hero_core.models.base.Encoder`."""
        return self.unit_length

    @property
    def reach_frames(self) -> int:
        """How far after its first frame a token sees."""
        return self.config.reach_frames

    @torch.no_grad()
    def encode(self, motion: Tensor, lengths: Tensor) -> Tensor:
        """Tokens of a padded batch of motions.

        Frames past a length are zero after normalisation, as the official release pads, so the last tokens see
        zeros on their right.

        Args:
            motion: ``(b, n, motion_dim)`` HumanML3D units; n a multiple of ``unit_length``, and the same for
                every batch (officially 200), as the last tokens of a motion that fills it see no zeros; less is the
                same where a token's :attr:`reach_frames` are still inside.
            lengths: ``(b,)`` valid frames.

        Returns:
            ``(b, n / unit_length, q)`` int64, ``-1`` past ``lengths // unit_length``.

        Raises:
            InputError: n is not a multiple of ``unit_length``.
        """
        tokens = self.network.encode(zero_past(self.normalisation(motion), lengths))  # (b, m, q)
        valid = valid_mask(lengths.to(tokens.device) // self.unit_length, tokens.shape[1])
        return tokens.masked_fill(~valid[:, :, None], NO_CODE)

    @torch.no_grad()
    def decode(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Motion of tokens.

        Args:
            tokens: ``(b, m, c)`` of the first c layers; ``-1`` adds nothing.
            lengths: ``(b,)`` frames. Frames past them are zero; without ``lengths`` they are what the decoder
                makes of zero latents, as in the official release.

        Returns:
            ``(b, m * unit_length, motion_dim)`` HumanML3D units.
        """
        motion = self.normalisation.inverse(self.network.decode(tokens))
        return motion if lengths is None else zero_past(motion, lengths)

    @torch.no_grad()
    def decode_each(self, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """Motions of tokens ``(b, m, c)``, each as if :meth:`decode` had it alone, without padding.

        Args:
            tokens: of any values past each length.
            token_lengths: ``(b,)``.

        Returns:
            ``(b, m * unit_length, motion_dim)`` HumanML3D units, zero past each length.
        """
        motion = self.normalisation.inverse(self.network.decode(tokens, token_lengths))
        return zero_past(motion, token_lengths * self.unit_length)

    def losses(self, batch: Batch, rng: torch.Generator | None = None) -> dict[str, Tensor]:
        """The terms of Eq. 1, on motions without padding.

        In training mode this also updates the codebooks, which learn by moving averages instead of Eq. 1's
        codebook term.

        Args:
            batch: motions that fill ``(b, n, motion_dim)``; n a multiple of ``unit_length``.
            rng: randomness of the quantiser; needed in training mode.

        Returns:
            Scalars ``total``, ``reconstruction`` (smooth L1), ``local_positions`` (the same on these dimensions
            alone), ``commitment``, and ``perplexity``, which is no loss.
        """
        target = self.normalisation(batch.ranks.own(batch.motion))
        output: RvqOutput = self.network(target, rng, batch.ranks)
        reconstruction = F.smooth_l1_loss(output.reconstruction, target)
        local_positions = F.smooth_l1_loss(
            output.reconstruction[..., LOCAL_POSITIONS], target[..., LOCAL_POSITIONS]
        )
        total = (
            reconstruction
            + self.config.local_position_weight * local_positions
            + self.config.commitment_weight * output.commitment
        )
        return {
            "total": total,
            "reconstruction": reconstruction,
            "local_positions": local_positions,
            "commitment": output.commitment,
            "perplexity": output.perplexity,
        }


class RvqOutput(NamedTuple):
    """One pass through the tokenizer.

    Attributes:
        reconstruction: ``(b, n, motion_dim)``, normalised as the input.
        tokens: ``(b, n / unit_length, q)``, ``-1`` in layers left out by quantise dropout.
        commitment: mean over the active layers, a scalar.
        perplexity: mean over the active layers, a scalar.
    """

    reconstruction: Tensor
    tokens: Tensor
    commitment: Tensor
    perplexity: Tensor


class RvqNetwork(nn.Module):
    """Normalised motion <-> tokens. Parameter names are those of the official release."""

    def __init__(self, config: RvqConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = MotionEncoder(config)
        self.decoder = MotionDecoder(config)
        self.quantizer = ResidualQuantizer(
            config.quantizers,
            config.codebook_size,
            config.code_dim,
            decay=config.ema_decay,
            reset=config.code_reset,
            least_use=config.least_code_use,
            temperature=config.sample_temperature,
            quantize_dropout=config.quantize_dropout,
        )

    def forward(self, motion: Tensor, rng: torch.Generator | None = None, ranks: Ranks = ALONE) -> RvqOutput:
        """Reconstruct ``(b, n, motion_dim)``; in training mode, needs ``rng`` and updates the codebooks.

        Of several ranks, each has motions of its own; their codebooks stay the same.

        Raises:
            InputError: n is not a multiple of the unit length.
        """
        quantized: Quantized = self.quantizer(self.encode_latents(motion), rng, ranks=ranks)
        return RvqOutput(
            self.decode_latents(quantized.vectors),
            quantized.tokens,
            quantized.mean(quantized.commitments),
            quantized.mean(quantized.perplexities),
        )

    def encode(self, motion: Tensor) -> Tensor:
        """Tokens of ``(b, n, motion_dim)`` motion, ``(b, n / unit_length, q)``.

        Raises:
            InputError: n is not a multiple of the unit length.
        """
        return self.quantizer.encode(self.encode_latents(motion))

    def decode(self, tokens: Tensor, token_lengths: Tensor | None = None) -> Tensor:
        """Motion of tokens, ``(b, m, c)`` -> ``(b, m * unit_length, motion_dim)``.

        Columns beyond c and tokens of ``-1`` add nothing. A zero latent is not zero motion, and reaches its
        neighbours through the convolutions, unless it lies past one of the ``token_lengths`` ``(b,)``.
        """
        return self.decode_latents(self.quantizer.look_up(tokens).sum(-2), token_lengths)

    def encode_latents(self, motion: Tensor) -> Tensor:
        """``(b, n, motion_dim)`` -> ``(b, n / unit_length, code_dim)``, before quantisation."""
        frames, unit = motion.shape[1], self.config.unit_length
        if frames == 0 or frames % unit:
            raise InputError(f"motion of {frames} frames: the tokenizer needs a positive multiple of {unit}")
        latents: Tensor = self.encoder(motion.transpose(0, 1))  # (m, b, code_dim)
        return latents.transpose(0, 1).contiguous()

    def decode_latents(self, latents: Tensor, token_lengths: Tensor | None = None) -> Tensor:
        """``(b, m, code_dim)`` -> ``(b, m * unit_length, motion_dim)``; see :meth:`decode`."""
        motion: Tensor = self.decoder(latents.transpose(0, 1), token_lengths)  # (n, b, motion_dim)
        return motion.transpose(0, 1).contiguous()
