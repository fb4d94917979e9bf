"""The generators. Importing this package registers all of them."""

from hero_core.models.generators.hero import Hero
from hero_core.models.generators.mdm import Mdm
from hero_core.models.generators.mld import Mld

__all__ = ["Hero", "Mdm", "Mld"]
