"""MDM: a transformer encoder that takes the noise out of whole motions (Tevet et al., ICLR 2023), here from a video."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from hero_core.config import Config, parse_config
from hero_core.errors import ConfigError
from hero_core.models.attention import attention_bias
from hero_core.models.base import Batch, Reactions, TrainingFacts, VideoFeatures, register
from hero_core.models.blocks import Block
from hero_core.models.diffusion import DiffusionDraws, Noising, Normal, Schedule, even_timesteps, normal_from
from hero_core.models.dropout import Dropout
from hero_core.models.generators.hero.intention import ConditionConfig, condition_vector, intention_of
from hero_core.models.lengths import whole_lengths
from hero_core.models.normalisation import Normalisation
from hero_core.models.padding import valid_mask, zero_past
from hero_core.models.positions import sinusoidal_positions
from hero_core.models.precision import product_dtype
from hero_core.models.sampling import Guidance, generating
from hero_core.motion.format import MAX_FRAMES, MOTION_DIM


class MdmConfig(ConditionConfig):
    """Settings of the denoiser. The defaults are the published model of 1000 steps.

    Attributes:
        latent_dim: width of the transformer.
        ff_size: hidden width of its feed-forward networks.
        layers: its blocks.
        heads: attention heads of each block.
        dropout: in the blocks and of their input, in training.
        condition_drop: share of training samples whose condition is dropped, for classifier-free guidance.
        diffusion_steps: of the noise schedule.
        mask_frames: keep the attention to each motion's own frames, as the published model of 50 steps does. False
            lets it see the padding too; every motion is then padded to ``max_frames``, in training and in sampling, as
            what comes out depends on that.
        max_frames: of the longest motion.
    """

    of_weights: ClassVar[frozenset[str]] = frozenset(
        {
            "latent_dim",
            "ff_size",
            "layers",
            "heads",
            "feature_dim",
            "diffusion_steps",
            "mask_frames",
            "use_iie",
            "intention_heads",
        }
    )

    latent_dim: PositiveInt = 512
    ff_size: PositiveInt = 1024
    layers: PositiveInt = 8
    heads: PositiveInt = 4
    dropout: float = Field(default=0.1, ge=0, lt=1)
    condition_drop: float = Field(default=0.1, ge=0, lt=1)
    diffusion_steps: PositiveInt = 1000
    mask_frames: bool = False
    max_frames: PositiveInt = MAX_FRAMES

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Self:
        if self.latent_dim % self.heads or self.latent_dim % 2:
            raise ValueError(f"latent_dim {self.latent_dim} must be even and divisible by heads {self.heads}")
        return self


class MdmSampling(Config):
    """How reactions are generated. The defaults are the published evaluation.

    Attributes:
        steps: how many of the diffusion steps are gone through, evenly spaced, the least and the most noisy ones among
            them, so two at least; None for all of them.
        sampler: ``ancestral`` draws new noise at every step (DDPM); ``ddim`` is decided by the first noise alone, and
            bears fewer steps better.
        guidance_scale: classifier-free guidance; 1 is plain conditional generation, 0 unconditional.
    """

    steps: int | None = Field(default=None, ge=2)
    sampler: Literal["ancestral", "ddim"] = "ancestral"
    guidance_scale: float = Field(default=2.5, ge=0)


class MdmDenoiser(nn.Module):
    """Predicts a clean motion from a noisy one, how noisy it is, and the video."""

    kind: ClassVar[str] = "mdm-denoiser"
    settings: ClassVar[type[MdmConfig]] = MdmConfig
    trained_on: ClassVar[Literal["pairs"]] = "pairs"
    encoded_by: ClassVar[None] = None
    metric: ClassVar[str] = "total"
    validation_draws: ClassVar[int] = 8
    recordable: ClassVar[bool] = True
    blocks: ClassVar[tuple[type[Any], ...]] = (Block,)

    def __init__(self, config: MdmConfig) -> None:
        super().__init__()
        self.config = config
        self.schedule = Schedule.cosine(config.diffusion_steps)
        self.noising = Noising(self.schedule)
        self.normalisation = Normalisation(MOTION_DIM)
        width = config.latent_dim
        self.intention = intention_of(config)
        self.condition_projection = nn.Linear(config.feature_dim, width)
        self.step_embedding = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.pose_embedding = nn.Linear(MOTION_DIM, width)
        self.input_dropout = Dropout(config.dropout)
        self.units = nn.ModuleList(
            Block(width, config.heads, config.ff_size, config.dropout) for _ in range(config.layers)
        )
        self.pose_output = nn.Linear(width, MOTION_DIM)
        self.positions: Tensor
        rows = max(config.diffusion_steps, 1 + config.max_frames)
        self.register_buffer("positions", sinusoidal_positions(rows, width), persistent=False)
        initialise(self)

    @classmethod
    def build(cls, config: MdmConfig, facts: TrainingFacts) -> Self:
        """A new denoiser with the statistics of the training motions, for the features of the data.

        Raises:
            ConfigError: impossible sizes, or longer motions than ``max_frames``.
        """
        if facts.longest_frames > config.max_frames:
            raise ConfigError(
                f"there are motions of {facts.longest_frames} frames, which need denoiser.model.max_frames of as many, "
                f"but it is {config.max_frames}"
            )
        values = config.model_dump() | {"feature_dim": facts.feature_dim}
        denoiser = cls(parse_config(MdmConfig, values, "denoiser.model"))
        denoiser.normalisation.take(facts.statistics)
        return denoiser

    def condition(self, condition: VideoFeatures, keep: Tensor) -> Tensor:
        """Condition vectors ``(b, latent)``; where ``keep`` ``(b,)`` is False, nothing but the projection's bias."""
        vector = condition_vector(condition, self.intention)  # (b, d)
        projected: Tensor = self.condition_projection(vector * keep[:, None])
        return projected

    def forward(self, noisy: Tensor, timesteps: Tensor, condition: Tensor, lengths: Tensor) -> Tensor:
        """The clean motions.

        Args:
            noisy: ``(b, n, 263)``, normalised.
            timesteps: ``(b,)``, of the whole schedule.
            condition: ``(b, latent)``, of :meth:`condition`.
            lengths: ``(b,)`` valid frames; used only if the frames are masked.

        Returns:
            ``(b, n, 263)``, normalised; of any values past the lengths.
        """
        token = condition + self.step_embedding(self.positions[timesteps])  # (b, latent)
        sequence = torch.cat([token[:, None], self.pose_embedding(noisy)], dim=1)  # (b, 1 + n, latent)
        sequence = self.input_dropout(sequence + self.positions[: sequence.shape[1]])
        bias = None
        if self.config.mask_frames:
            valid = valid_mask(lengths + 1, sequence.shape[1])  # the token is always seen
            bias = attention_bias(valid, product_dtype(sequence))
        for unit in self.units:
            sequence = unit(sequence, bias)
        clean: Tensor = self.pose_output(sequence[:, 1:])  # (b, n, 263)
        return clean

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Losses of one training step; in evaluation mode the condition is never dropped.

        Returns:
            ``total``, the squared error of the predicted motions: the mean over each one's frames, then over them.
        """
        motion = self._padded(batch.motion, batch.lengths)
        condition_drop = self.config.condition_drop if self.training else 0.0
        draws = DiffusionDraws.draw(
            motion.shape, self.config.diffusion_steps, condition_drop, rng, motion.device
        )
        own = batch.ranks.own
        draws = DiffusionDraws(own(draws.steps), own(draws.noise), own(draws.drop_condition))
        clean = zero_past(self.normalisation(own(motion)), own(batch.lengths))
        errors = self.errors(clean, own(batch.lengths), batch.video.map(own), draws)
        return {"total": errors.mean()}

    def errors(
        self, clean: Tensor, lengths: Tensor, condition: VideoFeatures, draws: DiffusionDraws
    ) -> Tensor:
        """Mean squared error ``(b,)`` over the valid frames of each of the motions ``(b, n, 263)``, normalised."""
        noisy = self.noising(clean, draws.noise, draws.steps)
        predicted = self(noisy, draws.steps, self.condition(condition, ~draws.drop_condition), lengths)
        squares = zero_past((predicted - clean).square(), lengths)
        return squares.sum(dim=(1, 2)) / (lengths * MOTION_DIM)

    @torch.no_grad()
    def sample(
        self,
        schedule: Schedule,
        condition: VideoFeatures,
        lengths: Tensor,
        size: int,
        normal: Normal,
        settings: MdmSampling,
    ) -> Tensor:
        """Motions for videos, made of noise.

        Args:
            schedule: of :meth:`schedule_of`.
            condition: features of ``b`` clips.
            lengths: ``(b,)`` frames.
            size: frames to make, n.
            normal: asked for ``(b, n, 263)`` numbers, once, and by the ancestral sampler once more for every step.
            settings: of the sampling.

        Returns:
            ``(b, n, 263)``, normalised; of any values past the lengths.
        """
        guidance = Guidance(settings.guidance_scale)
        tokens, rows = self.condition(*guidance.condition(condition)), guidance.rows(lengths)
        shape = (len(lengths), size, MOTION_DIM)
        motion = normal(shape)
        for step in reversed(range(len(schedule))):
            timesteps = torch.full_like(rows, int(schedule.timesteps[step]))
            clean = guidance.combine(self(guidance.rows(motion), timesteps, tokens, rows))
            if settings.sampler == "ddim":
                motion = schedule.ddim(clean, schedule.noise_of(motion, clean, step), step)
            else:
                motion = schedule.ancestral(motion, clean, step, normal(shape))
        return motion

    def schedule_of(self, steps: int | None) -> Schedule:
        """The schedule that goes through so many evenly spaced steps, or all."""
        total = self.config.diffusion_steps
        if steps is None or steps >= total:
            return self.schedule
        return self.schedule.respaced(even_timesteps(total, steps))

    def padded_frames(self, longest: int) -> int:
        """To how many frames motions are padded of which the longest has so many."""
        return longest if self.config.mask_frames else self.config.max_frames

    def _padded(self, motion: Tensor, lengths: Tensor) -> Tensor:
        """Motions with as little padding as the settings allow; on a GPU, that asks nothing of the device."""
        longest = int(lengths.max()) if motion.device.type == "cpu" else motion.shape[1]
        return F.pad(motion, (0, 0, 0, self.padded_frames(longest) - motion.shape[1]))


def initialise(denoiser: MdmDenoiser) -> None:
    """The published initial weights: torch's own, but Xavier and zero biases for the attention.

    Every block gets weights of its own; the published ones start as copies of one.
    """
    for module in denoiser.units:
        assert isinstance(module, Block)
        nn.init.xavier_uniform_(module.attention.inputs.weight)
        nn.init.zeros_(module.attention.inputs.bias)
        nn.init.zeros_(module.attention.out.bias)


@register
class Mdm(nn.Module):
    """The denoiser as a generator."""

    kind: ClassVar[str] = "mdm"
    parts: ClassVar[Mapping[str, type[Any]]] = {"denoiser": MdmDenoiser}
    settings: ClassVar[type[Config]] = Config
    sampling_settings: ClassVar[type[MdmSampling]] = MdmSampling
    chooses_length: ClassVar[bool] = False
    stops_by_itself: ClassVar[bool] = False

    def __init__(self, parts: Mapping[str, Any], sampling: MdmSampling | None = None) -> None:
        super().__init__()
        self.denoiser: MdmDenoiser = parts["denoiser"]
        self.sampling = sampling or MdmSampling()

    @property
    def feature_dim(self) -> int:
        """Length of a feature vector."""
        return self.denoiser.config.feature_dim

    @property
    def max_length(self) -> int:
        """Longest reaction, in frames."""
        return self.denoiser.config.max_frames

    def generate(self, condition: VideoFeatures, lengths: Tensor | None, rng: torch.Generator) -> Reactions:
        """Reactions to videos, see :class:`hero_core.models.base.Generator`.

        Raises:
            InputError: see :func:`whole_lengths`.
        """
        frames = whole_lengths(condition, lengths, self.max_length)
        device, longest = condition.global_feature.device, max(frames)
        wanted = torch.tensor(frames, device=device)
        size = self.denoiser.padded_frames(longest)
        schedule, normal = self.denoiser.schedule_of(self.sampling.steps), normal_from(rng, device)
        with generating(self):
            motion = self.denoiser.sample(schedule, condition, wanted, size, normal, self.sampling)
            motion = self.denoiser.normalisation.inverse(motion[:, :longest])
        return Reactions(zero_past(motion, wanted), torch.tensor(frames))

    def reconstruct(self, motion: Tensor, lengths: Tensor) -> None:
        """None: motions are generated as they are, without tokens or latents."""
