"""HERO, the paper's generator."""

from hero_core.models.generators.hero.hero import Hero
from hero_core.models.generators.hero.masked import MaskedTransformer
from hero_core.models.generators.hero.residual import ResidualTransformer
from hero_core.models.generators.hero.settings import HeroSampling, HeroSettings

__all__ = ["Hero", "HeroSampling", "HeroSettings", "MaskedTransformer", "ResidualTransformer"]
