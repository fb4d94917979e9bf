"""BAMM, a generator that also decides how long a reaction is."""

from hero_core.models.generators.bamm.bamm import Bamm
from hero_core.models.generators.bamm.settings import BammConfig, BammSampling
from hero_core.models.generators.bamm.transformer import BammTransformer

__all__ = ["Bamm", "BammConfig", "BammSampling", "BammTransformer"]
