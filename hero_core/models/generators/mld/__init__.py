"""MLD, diffusion in the latent space of a motion VAE."""

from hero_core.models.generators.mld.denoiser import DenoiserConfig, LatentDenoiser, MldSampling
from hero_core.models.generators.mld.mld import Mld
from hero_core.models.generators.mld.vae import MotionVae, VaeConfig

__all__ = ["DenoiserConfig", "LatentDenoiser", "Mld", "MldSampling", "MotionVae", "VaeConfig"]
