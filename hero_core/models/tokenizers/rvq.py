"""The motion tokenizer: convolutions around residual vector quantisation (paper, section 3.2)."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Self

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from hero_core.config import Config
from hero_core.errors import ConfigError, InputError
from hero_core.models.base import Batch, TrainingFacts
from hero_core.models.dropout import Dropout
from hero_core.models.normalisation import Normalisation
from hero_core.models.padding import valid_mask, zero_past
from hero_core.models.ranks import ALONE, Ranks
from hero_core.models.tokenizers.codebook import NO_CODE, CodeReset
from hero_core.models.tokenizers.convolution import Conv1d
from hero_core.models.tokenizers.quantizer import Quantized, ResidualQuantizer
from hero_core.motion.format import FRAMES_PER_TOKEN, MOTION_DIM
from hero_core.motion.humanml3d import LOCAL_POSITIONS


class RvqConfig(Config):
    """Settings of the tokenizer; the defaults are the official release's.

    Attributes:
        motion_dim: values per frame.
        width: channels of the convolutions.
        code_dim: dimension of latents and codes.
        codebook_size: codes in each layer.
        quantizers: layers of codes; the first is the base layer.
        depth: residual blocks at each temporal scale.
        downsamplings: halvings of the frame rate; 2 make a token of 4 frames.
        dilation_growth: factor between the dilations of neighbouring residual blocks.
        dropout: in the residual blocks, in training.
        quantize_dropout: chance that a training batch uses only the first layers of codes.
        ema_decay: of the codebooks' moving averages.
        sample_temperature: of the sampling of codes in training; 0 takes the nearest code.
        code_reset: what replaces a code that is hardly used: ``random``, any latent of the batch; ``official``, as the
            release does, always the one in the code's own place.
        least_code_use: a code that fewer latents of a batch take, on average, is replaced. Where most of a motion is
            standing about, poses that are rare get codes of their own only if this is small.
        local_position_weight: of the extra loss on local joint positions.
        commitment_weight: of the commitment loss (beta in Eq. 1).
    """

    official_values: ClassVar[Mapping[str, Any]] = {"code_reset": "official"}
    of_weights: ClassVar[frozenset[str]] = frozenset(
        {
            "motion_dim",
            "width",
            "code_dim",
            "codebook_size",
            "quantizers",
            "depth",
            "downsamplings",
            "dilation_growth",
        }
    )
    """What weights are bound to; the other settings only say how they are trained."""

    motion_dim: int = Field(MOTION_DIM, ge=1)
    width: int = Field(512, ge=1)
    code_dim: int = Field(512, ge=1)
    codebook_size: int = Field(512, ge=1)
    quantizers: int = Field(6, ge=1)
    depth: int = Field(3, ge=1)
    downsamplings: int = Field(2, ge=0)
    dilation_growth: int = Field(3, ge=1)
    dropout: float = Field(0.2, ge=0.0, lt=1.0)
    quantize_dropout: float = Field(0.2, ge=0.0, le=1.0)
    ema_decay: float = Field(0.99, ge=0.0, lt=1.0)
    sample_temperature: float = Field(0.5, ge=0.0)
    code_reset: CodeReset = "random"
    least_code_use: float = Field(1.0, gt=0.0)
    local_position_weight: float = Field(0.5, ge=0.0)
    commitment_weight: float = Field(0.02, ge=0.0)

    @property
    def unit_length(self) -> int:
        """Frames a token stands for."""
        return int(2**self.downsamplings)

    @property
    def reach_frames(self) -> int:
        """How far after its first frame a token sees: what the convolutions of the encoder add up to."""
        in_blocks = sum(self.dilation_growth**power for power in range(self.depth))
        reach = 1  # of the last convolution, in tokens
        for _ in range(self.downsamplings):
            reach = 2 * (reach + in_blocks) + 2
        return reach + 1


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


class MotionEncoder(nn.Module):
    """``(n, b, motion_dim)`` -> ``(n / unit_length, b, code_dim)``."""

    def __init__(self, config: RvqConfig) -> None:
        super().__init__()
        scales = [
            nn.Sequential(Conv1d(config.width, config.width, 4, stride=2, padding=1), ResidualBlocks(config))
            for _ in range(config.downsamplings)
        ]
        self.model = nn.Sequential(
            Conv1d(config.motion_dim, config.width, 3, padding=1),
            nn.ReLU(inplace=True),
            *scales,
            Conv1d(config.width, config.code_dim, 3, padding=1),
        )

    def forward(self, motion: Tensor) -> Tensor:
        """Encode."""
        latents: Tensor = self.model(motion)
        return latents


class MotionDecoder(nn.Module):
    """``(m, b, code_dim)`` -> ``(m * unit_length, b, motion_dim)``; the encoder's mirror image."""

    def __init__(self, config: RvqConfig) -> None:
        super().__init__()
        scales = [
            nn.Sequential(
                ResidualBlocks(config),
                Twice(),
                Conv1d(config.width, config.width, 3, padding=1),
            )
            for _ in range(config.downsamplings)
        ]
        self.model = nn.Sequential(
            Conv1d(config.code_dim, config.width, 3, padding=1),
            nn.ReLU(inplace=True),
            *scales,
            Conv1d(config.width, config.width, 3, padding=1),
            nn.ReLU(inplace=True),
            Conv1d(config.width, config.motion_dim, 3, padding=1),
        )

    def forward(self, latents: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Decode; with ``lengths`` ``(b,)`` in latents, nothing past a motion's length reaches its frames.

        A convolution alone sees zeros past a motion's end, so zeros stand there again after every layer.
        """
        if lengths is None:
            motion: Tensor = self.model(latents)
            return motion
        valid = _valid(latents, lengths)
        hidden = latents * valid
        for layer in self._layers():
            hidden = layer(hidden)
            if isinstance(layer, Twice):
                lengths = 2 * lengths
                valid = _valid(hidden, lengths)
            elif isinstance(layer, Conv1d | ResidualBlock):  # the others leave zeros zero
                hidden = hidden * valid
        return hidden

    def _layers(self) -> Iterator[nn.Module]:
        for layer in self.model:
            for inner in layer if isinstance(layer, nn.Sequential) else [layer]:
                yield from inner.model if isinstance(inner, ResidualBlocks) else [inner]


def _valid(hidden: Tensor, lengths: Tensor) -> Tensor:
    """What to multiply ``(n, b, c)`` by for zeros past each of the lengths ``(b,)``, ``(n, b, 1)``."""
    return valid_mask(lengths, hidden.shape[0]).T[..., None].to(hidden.dtype)


class Twice(nn.Module):
    """Every frame twice: twice the frame rate."""

    def forward(self, hidden: Tensor) -> Tensor:
        """``(n, b, width)`` -> ``(2 * n, b, width)``."""
        return hidden[:, None].expand(-1, 2, -1, -1).flatten(0, 1)


class ResidualBlocks(nn.Module):
    """Residual blocks from the largest dilation to 1, in encoder and decoder alike."""

    def __init__(self, config: RvqConfig) -> None:
        super().__init__()
        dilations = [config.dilation_growth**power for power in reversed(range(config.depth))]
        self.model = nn.Sequential(
            *(ResidualBlock(config.width, dilation, config.dropout) for dilation in dilations)
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """``(n, b, width)`` -> the same shape."""
        refined: Tensor = self.model(hidden)
        return refined


class ResidualBlock(nn.Module):
    """x + dropout(conv1(relu(conv3(relu(x)))))."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.conv2 = Conv1d(width, width, 1)
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """``(n, b, width)`` -> the same shape."""
        change: Tensor = self.dropout(self.conv2(self.conv1(hidden.relu()).relu_()))
        return hidden + change
