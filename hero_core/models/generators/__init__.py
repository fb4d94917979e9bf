"""The generators. Importing this package registers all of them."""

from hero_core.models.generators.hero import Hero

__all__ = ["Hero"]
