"""The generators. Importing this package registers all of them."""

from hero_core.models.generators.bamm import Bamm
from hero_core.models.generators.hero import Hero
from hero_core.models.generators.mdm import Mdm
from hero_core.models.generators.mld import Mld
from hero_core.models.generators.momask import Momask
from hero_core.models.generators.t2mgpt import T2mGpt

__all__ = ["Bamm", "Hero", "Mdm", "Mld", "Momask", "T2mGpt"]
