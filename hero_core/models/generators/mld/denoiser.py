"""MLD's denoiser: takes the noise out of a motion's latent, knowing the video (Chen et al., CVPR 2023, section 3.2)."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from hero_core.config import Config, parse_config
from hero_core.models.base import Batch, TrainingFacts, VideoFeatures
from hero_core.models.blocks import Block
from hero_core.models.diffusion import (
    DiffusionDraws,
    Noising,
    Normal,
    Schedule,
    leading_timesteps,
    normal_from,
)
from hero_core.models.generators.hero.intention import ConditionConfig, condition_vector, intention_of
from hero_core.models.generators.mld.skips import LearnedPositions, SkipTransformer
from hero_core.models.generators.mld.vae import Latent, require_odd_layers
from hero_core.models.sampling import Guidance

DIFFUSION_STEPS = 1000
FIRST_BETA, LAST_BETA = 0.00085, 0.012
_OFFSET = 1  # of the steps that are sampled
_BEFORE = 2  # positions of the latent and of the step, in front of the condition


class DenoiserConfig(ConditionConfig):
    """Settings of the denoiser. The defaults are the published model.

    Attributes:
        latent_dim: of the latents, and width of the transformer; in training, the VAE's.
        ff_size: hidden width of its feed-forward networks.
        layers: its blocks; an odd number.
        heads: attention heads of each block.
        dropout: in the blocks, in training.
        position_rows: of the table of learned positions.
        condition_drop: share of training samples whose condition is dropped, for classifier-free guidance. Where the
            published model has the embedding of an empty text instead, of which a video has none, stand zeros.
        condition_tokens: ``global``, one token of the global feature; ``frames``, and behind it one of each frame.
        predicts: ``noise``, as published, or the clean ``latent``, which is learned in far fewer steps.
        condition_relu: drop what is negative in the features before they are projected, as the published model does.
    """

    of_weights: ClassVar[frozenset[str]] = frozenset(
        {
            "latent_dim",
            "ff_size",
            "layers",
            "heads",
            "position_rows",
            "predicts",
            "condition_relu",
            "feature_dim",
            "use_iie",
            "intention_heads",
        }
    )

    latent_dim: PositiveInt = 256
    ff_size: PositiveInt = 1024
    layers: PositiveInt = 9
    heads: PositiveInt = 4
    dropout: float = Field(default=0.1, ge=0, lt=1)
    position_rows: int = Field(default=500, gt=_BEFORE)
    condition_drop: float = Field(default=0.1, ge=0, lt=1)
    condition_tokens: Literal["global", "frames"] = "global"
    predicts: Literal["noise", "latent"] = "noise"
    condition_relu: bool = True

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        require_odd_layers(self.layers)
        if self.latent_dim % self.heads:
            raise ValueError(f"latent_dim {self.latent_dim} must be divisible by heads {self.heads}")
        if self.feature_dim % 2:
            raise ValueError(f"feature_dim {self.feature_dim} must be even")
        return self


class MldSampling(Config):
    """How reactions are generated. The defaults are the published evaluation.

    Attributes:
        steps: of DDIM, at a whole stride through the 1000 of the schedule: of a number that does not divide 1000, the
            noisiest are left out, of 400 a fifth of all.
        guidance_scale: classifier-free guidance; 1 is plain conditional generation, 0 unconditional.
    """

    steps: int = Field(default=50, ge=1, lt=DIFFUSION_STEPS)
    guidance_scale: float = Field(default=7.5, ge=0)


@dataclass(frozen=True)
class DenoiserDraws:
    """All that is random in one training step: ``latent`` ``(b, d)`` normal numbers, and the diffusion's draws."""

    latent: Tensor
    diffusion: DiffusionDraws

    @classmethod
    def draw(
        cls, batch: int, width: int, condition_drop: float, rng: torch.Generator, device: torch.device
    ) -> Self:
        """Fresh draws for ``batch`` latents of ``width`` numbers."""
        latent = normal_from(rng, device)((batch, width))
        shape = (batch, 1, width)
        return cls(latent, DiffusionDraws.draw(shape, DIFFUSION_STEPS, condition_drop, rng, device))


class LatentDenoiser(nn.Module):
    """Predicts the noise in a latent, or what the latent is without it."""

    kind: ClassVar[str] = "mld-denoiser"
    settings: ClassVar[type[DenoiserConfig]] = DenoiserConfig
    trained_on: ClassVar[Literal["pairs"]] = "pairs"
    encoded_by: ClassVar[str] = "vae"
    metric: ClassVar[str] = "total"
    validation_draws: ClassVar[int] = 8
    recordable: ClassVar[bool] = True
    blocks: ClassVar[tuple[type[Any], ...]] = (Block,)

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        self.schedule = Schedule.scaled_linear(DIFFUSION_STEPS, FIRST_BETA, LAST_BETA)
        self.noising = Noising(self.schedule)
        width = config.latent_dim
        self.intention = intention_of(config)
        self.condition_projection = nn.Linear(config.feature_dim, width)
        self.step_embedding = nn.Sequential(
            nn.Linear(config.feature_dim, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.positions = LearnedPositions(config.position_rows, width)
        make_block = partial(Block, width, config.heads, config.ff_size, config.dropout)
        self.transformer = SkipTransformer(make_block, config.layers, width)

    @classmethod
    def build(cls, config: DenoiserConfig, facts: TrainingFacts) -> Self:
        """A new denoiser for the latents of the VAE and the features of the data.

        Raises:
            ConfigError: impossible sizes.
        """
        decided = {"latent_dim": facts.parts["vae"].config.latent_dim, "feature_dim": facts.feature_dim}
        return cls(parse_config(DenoiserConfig, config.model_dump() | decided, "denoiser.model"))

    def condition(self, condition: VideoFeatures, keep: Tensor) -> Tensor:
        """Condition tokens ``(b, k, latent)``; where ``keep`` ``(b,)`` is False, nothing but the projection's bias."""
        vector = condition_vector(condition, self.intention)  # (b, d)
        tokens = vector[:, None]  # (b, 1, d)
        if self.config.condition_tokens == "frames":
            tokens = torch.cat([tokens, condition.frames], dim=1)  # (b, 1 + t, d)
        tokens = tokens * keep[:, None, None]
        projected: Tensor = self.condition_projection(tokens.relu() if self.config.condition_relu else tokens)
        return projected

    def forward(self, noisy: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        """The noise in latents, or what the settings say is predicted.

        Args:
            noisy: ``(b, 1, latent)``.
            timesteps: ``(b,)``, of the whole schedule.
            condition: ``(b, k, latent)``, of :meth:`condition`.

        Returns:
            ``(b, 1, latent)``
        """
        step = self.step_embedding(step_waves(timesteps, self.config.feature_dim))  # (b, latent)
        sequence = torch.cat([noisy, step[:, None], condition], dim=1)  # (b, 2 + k, latent)
        sequence = sequence + self.positions(sequence.shape[1])
        predicted: Tensor = self.transformer(sequence, None)[:, :1]
        return predicted

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Losses of one training step; in evaluation mode the condition is never dropped.

        Returns:
            ``total``, the mean squared error of what is predicted.
        """
        condition_drop = self.config.condition_drop if self.training else 0.0
        encoded, own = batch.tokens, batch.ranks.own
        width, device = self.config.latent_dim, encoded.device
        draws = DenoiserDraws.draw(len(encoded), width, condition_drop, rng, device)
        drawn = draws.diffusion
        drawn = DiffusionDraws(own(drawn.steps), own(drawn.noise), own(drawn.drop_condition))
        latents = Latent.of(own(encoded)).sample(own(draws.latent))
        return {"total": self.error(latents, batch.video.map(own), drawn)}

    def error(self, latents: Tensor, condition: VideoFeatures, draws: DiffusionDraws) -> Tensor:
        """Mean squared error of what is predicted of ``latents`` ``(b, latent)``, a scalar."""
        noisy = self.noising(latents[:, None], draws.noise, draws.steps)  # (b, 1, latent)
        predicted = self(noisy, draws.steps, self.condition(condition, ~draws.drop_condition))
        return F.mse_loss(predicted, draws.noise if self.config.predicts == "noise" else latents[:, None])

    @torch.no_grad()
    def sample(self, condition: VideoFeatures, normal: Normal, settings: MldSampling) -> Tensor:
        """Latents ``(b, latent)`` for videos, by DDIM; ``normal`` is asked once, for ``(b, 1, latent)`` numbers."""
        guidance, schedule = Guidance(settings.guidance_scale), self.schedule_of(settings.steps)
        tokens = self.condition(*guidance.condition(condition))  # (copies * b, k, latent)
        latents = normal((len(condition.global_feature), 1, self.config.latent_dim))
        for step in reversed(range(len(schedule))):
            rows = guidance.rows(latents)
            timesteps = torch.full((len(rows),), int(schedule.timesteps[step]), device=rows.device)
            predicted = guidance.combine(self(rows, timesteps, tokens))
            if self.config.predicts == "noise":
                latents = schedule.ddim(schedule.clean_of(latents, predicted, step), predicted, step)
            else:
                latents = schedule.ddim(predicted, schedule.noise_of(latents, predicted, step), step)
        return latents[:, 0]

    def schedule_of(self, steps: int) -> Schedule:
        """So many steps of the schedule; before them stands its own first step, as published, not the clean latent."""
        timesteps = leading_timesteps(DIFFUSION_STEPS, steps, _OFFSET)
        return self.schedule.respaced(timesteps, float(self.schedule.alphas_cumprod[0]))


def step_waves(timesteps: Tensor, width: int) -> Tensor:
    """Steps ``(b,)`` as ``(b, width)``: cosines, and behind them the sines."""
    half = torch.arange(width // 2, device=timesteps.device)
    angles = timesteps[:, None] * torch.exp(half * (-2 * math.log(10000.0) / width))  # (b, width / 2)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
