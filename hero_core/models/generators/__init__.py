"""The generators. Importing this package registers all of them."""

from hero_core.models.generators.hero import Hero
from hero_core.models.generators.mdm import Mdm

__all__ = ["Hero", "Mdm"]
