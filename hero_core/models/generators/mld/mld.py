"""MLD: diffusion in the latent space of a motion VAE (Chen et al., CVPR 2023), here from a video."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from hero_core.config import Config
from hero_core.errors import ConfigError
from hero_core.models.base import Reactions, VideoFeatures, register
from hero_core.models.diffusion import normal_from
from hero_core.models.generators.mld.denoiser import LatentDenoiser, MldSampling
from hero_core.models.generators.mld.vae import Latent, MotionVae
from hero_core.models.lengths import whole_lengths
from hero_core.models.sampling import generating
from hero_core.motion.format import whole_tokens


@register
class Mld(nn.Module):
    """The VAE and the denoiser as one generator."""

    kind: ClassVar[str] = "mld"
    parts: ClassVar[Mapping[str, type[Any]]] = {"vae": MotionVae, "denoiser": LatentDenoiser}
    settings: ClassVar[type[Config]] = Config
    sampling_settings: ClassVar[type[MldSampling]] = MldSampling
    chooses_length: ClassVar[bool] = False
    stops_by_itself: ClassVar[bool] = False

    def __init__(self, parts: Mapping[str, Any], sampling: MldSampling | None = None) -> None:
        """Put the parts together.

        Raises:
            ConfigError: they were not made for the same latents.
        """
        super().__init__()
        self.vae: MotionVae = parts["vae"]
        self.denoiser: LatentDenoiser = parts["denoiser"]
        self.sampling = sampling or MldSampling()
        ours, theirs = self.vae.config.latent_dim, self.denoiser.config.latent_dim
        if ours != theirs:
            raise ConfigError(
                f"the parts do not fit together: latent_dim is {ours} of the vae, {theirs} of the denoiser"
            )

    @property
    def feature_dim(self) -> int:
        """Length of a feature vector."""
        return self.denoiser.config.feature_dim

    @property
    def max_length(self) -> int:
        """Longest reaction, in frames."""
        return whole_tokens(self.vae.config.max_frames)

    def generate(self, condition: VideoFeatures, lengths: Tensor | None, rng: torch.Generator) -> Reactions:
        """Reactions to videos, see :class:`hero_core.models.base.Generator`.

        Raises:
            InputError: see :func:`whole_lengths`.
        """
        frames = whole_lengths(condition, lengths, self.max_length)
        device = condition.global_feature.device
        with generating(self):
            latents = self.denoiser.sample(condition, normal_from(rng, device), self.sampling)
            motion = self.vae.decode(latents, torch.tensor(frames, device=device), max(frames))
        return Reactions(motion, torch.tensor(frames))

    @torch.no_grad()
    def reconstruct(self, motion: Tensor, lengths: Tensor) -> Tensor:
        """Motions ``(b, n, 263)`` through the means of their latents and back, zero past each length."""
        latents = Latent.of(self.vae.encode(motion, lengths)).mean
        return self.vae.decode(latents, lengths, motion.shape[1])
