"""The generators. Importing this package registers all of them."""

from hero_core.models.generators.hero import Hero
from hero_core.models.generators.t2mgpt import T2mGpt

__all__ = ["Hero", "T2mGpt"]
