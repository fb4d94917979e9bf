"""MLD's motion VAE: a whole motion as one latent vector, and back (Chen et al., CVPR 2023, section 3.1)."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple, Self

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from hero_core.config import Config
from hero_core.errors import ConfigError
from hero_core.models.attention import attention_bias
from hero_core.models.base import Batch, TrainingFacts
from hero_core.models.blocks import Block
from hero_core.models.diffusion import normal_from
from hero_core.models.generators.mld.skips import CrossBlock, LearnedPositions, SkipTransformer
from hero_core.models.joints import joints_of
from hero_core.models.normalisation import Normalisation
from hero_core.models.padding import valid_mask, zero_past
from hero_core.models.precision import product_dtype
from hero_core.models.ranks import ALONE, Ranks
from hero_core.motion.format import MAX_FRAMES, MOTION_DIM

TOKENS = 2
"""Learned tokens in front of the frames, of which the encoder makes the latent's mean and log variance."""


class VaeConfig(Config):
    """Settings of the VAE. The defaults are the published model.

    Attributes:
        latent_dim: of the latent, and width of both transformers.
        ff_size: hidden width of their feed-forward networks.
        layers: blocks of each; an odd number.
        heads: attention heads of each block.
        dropout: in the blocks, in training.
        position_rows: of the tables of learned positions; two more than the longest motion has frames, at least.
        sinusoidal_start: let the learned positions start as sines and cosines instead of random numbers, as published;
            which frames are neighbours then need not be learned first.
        log_variance_offset: added to the log variance of every latent. Mean and log variance come out of one layer
            normalisation, so that at 0, as published, latents start as noisy as they are different, and it takes long
            training to change that.
        joint_weight: of the loss on joint positions.
        kl_weight: of the divergence of the latents from the standard normal distribution.
        loss_over_padding: average the losses over the padding too, as the published code does: features agree there,
            but joints carry on the drift that the root has at the end. False averages over the motions.
    """

    official_values: ClassVar[Mapping[str, Any]] = {"loss_over_padding": True}
    of_weights: ClassVar[frozenset[str]] = frozenset(
        {"latent_dim", "ff_size", "layers", "heads", "position_rows", "log_variance_offset"}
    )
    """What weights are bound to; the other settings only say how they are trained."""

    latent_dim: PositiveInt = 256
    ff_size: PositiveInt = 1024
    layers: PositiveInt = 9
    heads: PositiveInt = 4
    dropout: float = Field(default=0.1, ge=0, lt=1)
    position_rows: int = Field(default=500, gt=TOKENS)
    sinusoidal_start: bool = False
    log_variance_offset: float = 0.0
    joint_weight: float = Field(default=1.0, ge=0)
    kl_weight: float = Field(default=1e-4, ge=0)
    loss_over_padding: bool = False

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        require_odd_layers(self.layers)
        if self.latent_dim % self.heads or self.latent_dim % 2:
            raise ValueError(f"latent_dim {self.latent_dim} must be even and divisible by heads {self.heads}")
        return self

    @property
    def max_frames(self) -> int:
        """Of the longest motion."""
        return min(MAX_FRAMES, self.position_rows - TOKENS)


def require_odd_layers(layers: int) -> None:
    """Refuse a transformer without a middle.

    Raises:
        ValueError: naming the number.
    """
    if layers % 2 == 0:
        raise ValueError(f"layers {layers} must be odd: skips lead from the first half of them to the last")


class Latent(NamedTuple):
    """A normal distribution for each motion: ``(b, latent)`` mean and logarithm of the variance."""

    mean: Tensor
    log_variance: Tensor

    @classmethod
    def of(cls, encoded: Tensor) -> Self:
        """What :meth:`MotionVae.encode` gives, ``(b, 1, 2 * latent)``."""
        return cls(*encoded[:, 0].chunk(2, dim=-1))

    def sample(self, normal: Tensor) -> Tensor:
        """``(b, latent)``, by as many standard normal numbers."""
        return self.mean + (0.5 * self.log_variance).exp() * normal

    def divergence(self) -> Tensor:
        """From the standard normal distribution, the mean over all dimensions (Kullback and Leibler)."""
        each = self.mean**2 + self.log_variance.exp() - 1 - self.log_variance
        return 0.5 * each.mean()


class MotionVae(nn.Module):
    """Motions in HumanML3D units <-> latents: the networks together with their statistics."""

    kind: ClassVar[str] = "mld-vae"
    settings: ClassVar[type[VaeConfig]] = VaeConfig
    trained_on: ClassVar[Literal["motions"]] = "motions"
    encoded_by: ClassVar[None] = None
    metric: ClassVar[str] = "total"
    validation_draws: ClassVar[int] = 1
    recordable: ClassVar[bool] = True
    blocks: ClassVar[tuple[type[Any], ...]] = (Block, CrossBlock)
    frames_per_code: ClassVar[None] = None
    reach_frames: ClassVar[int] = 0

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        self.config = config
        self.normalisation = Normalisation(MOTION_DIM)
        width = config.latent_dim
        sizes = (width, config.heads, config.ff_size, config.dropout)
        self.pose_embedding = nn.Linear(MOTION_DIM, width)
        self.tokens = nn.Parameter(torch.randn(TOKENS, width))
        self.encoder_positions = LearnedPositions(config.position_rows, width, config.sinusoidal_start)
        self.encoder = SkipTransformer(partial(Block, *sizes), config.layers, width)
        self.decoder_positions = LearnedPositions(config.position_rows, width, config.sinusoidal_start)
        self.decoder = SkipTransformer(partial(CrossBlock, *sizes), config.layers, width)
        self.pose_output = nn.Linear(width, MOTION_DIM)

    @classmethod
    def build(cls, config: VaeConfig, facts: TrainingFacts) -> Self:
        """A new VAE with the statistics of the training motions.

        Raises:
            ConfigError: longer motions than there are positions for.
        """
        if facts.longest_frames > config.max_frames:
            raise ConfigError(
                f"there are motions of {facts.longest_frames} frames, which need vae.model.position_rows of at least "
                f"{facts.longest_frames + TOKENS}, but it is {config.position_rows}"
            )
        vae = cls(config)
        vae.normalisation.take(facts.statistics)
        return vae

    @torch.no_grad()
    def encode(self, motion: Tensor, lengths: Tensor) -> Tensor:
        """One row for each motion, of the latent's mean and log variance.

        Args:
            motion: ``(b, n, 263)`` in HumanML3D units; of any values past the lengths.
            lengths: ``(b,)`` valid frames.

        Returns:
            ``(b, 1, 2 * latent)``
        """
        latent = self.latent_of(zero_past(self.normalisation(motion), lengths), lengths)
        return torch.cat(latent, dim=-1)[:, None]

    @torch.no_grad()
    def decode(self, latents: Tensor, lengths: Tensor, size: int) -> Tensor:
        """Motions ``(b, size, 263)`` in HumanML3D units of ``latents`` ``(b, latent)``, zero past their lengths."""
        return zero_past(self.normalisation.inverse(self.motion_of(latents, lengths, size)), lengths)

    def latent_of(self, motion: Tensor, lengths: Tensor) -> Latent:
        """The latents of normalised motions ``(b, n, 263)``."""
        tokens = self.tokens.expand(len(motion), -1, -1)  # (b, 2, latent)
        sequence = torch.cat([tokens, self.pose_embedding(motion)], dim=1)  # (b, 2 + n, latent)
        sequence = sequence + self.encoder_positions(sequence.shape[1])
        encoded = self.encoder(sequence, _bias(lengths + TOKENS, sequence))
        return Latent(encoded[:, 0], encoded[:, 1] + self.config.log_variance_offset)

    def motion_of(self, latents: Tensor, lengths: Tensor, size: int) -> Tensor:
        """Normalised motions ``(b, size, 263)`` of ``latents`` ``(b, latent)``, zero past their lengths."""
        queries = self.decoder_positions(size).expand(len(latents), -1, -1)  # (b, n, latent)
        decoded = self.decoder(queries, _bias(lengths, queries), latents[:, None])
        return zero_past(self.pose_output(decoded), lengths)

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Losses of one training step.

        Returns:
            ``total``, and what it is the weighted sum of: ``features``, ``joints`` (smooth L1 of each) and ``kl``.
        """
        motion, lengths = batch.motion, batch.lengths
        if motion.device.type == "cpu":  # a GPU would have to be asked, and masks what is too much
            motion = motion[:, : int(lengths.max())]
        normal = normal_from(rng, motion.device)((len(motion), self.config.latent_dim))
        target = zero_past(self.normalisation(motion), lengths)
        return self.likelihood(target, lengths, normal, batch.ranks)

    def likelihood(
        self, motion: Tensor, lengths: Tensor, normal: Tensor, ranks: Ranks = ALONE
    ) -> dict[str, Tensor]:
        """:meth:`losses` of normalised motions ``(b, n, 263)`` with these numbers ``(b, latent)``; of own rows."""
        valid = valid_mask(lengths, motion.shape[1])
        counted = torch.ones_like(valid) if self.config.loss_over_padding else valid  # (b, n)
        count = counted.sum() / ranks.world
        target, lengths, counted = ranks.own(motion), ranks.own(lengths), ranks.own(counted)
        latent = self.latent_of(target, lengths)
        rebuilt = self.motion_of(latent.sample(ranks.own(normal)), lengths, target.shape[1])

        def mean(ours: Tensor, theirs: Tensor) -> Tensor:
            errors = F.smooth_l1_loss(ours, theirs, reduction="none").flatten(2).mean(dim=-1)  # (b, n)
            return (errors * counted).sum() / count

        features = mean(rebuilt, target)
        joints = mean(*(joints_of(self.normalisation.inverse(each)) for each in (rebuilt, target)))
        divergence = latent.divergence()
        total = features + self.config.joint_weight * joints + self.config.kl_weight * divergence
        return {"total": total, "features": features, "joints": joints, "kl": divergence}


def _bias(lengths: Tensor, sequence: Tensor) -> Tensor:
    return attention_bias(valid_mask(lengths, sequence.shape[1]), product_dtype(sequence))
