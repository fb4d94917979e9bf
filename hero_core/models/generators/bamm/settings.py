"""BAMM's settings: of its transformer, and how it samples."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from hero_core.models.generators.hero.settings import ResidualSampling
from hero_core.models.generators.hero.sizes import TokenTransformerConfig


class BammConfig(TokenTransformerConfig):
    """Settings of the transformer. The defaults are the published model's."""


class BammSampling(ResidualSampling):
    """How reactions are generated. The defaults are the published evaluation's, except ``remake`` and
    ``redraw_given``.

    Attributes:
        guidance_scale: classifier-free guidance of the first pass; 1 is plain conditional generation, 0 unconditional.
        second_guidance_scale: the same of the second pass; the published code has 3 there, whatever it is asked for.
        temperature: 1 samples the predicted distribution, 0 takes its maximum.
        remake: which tokens the second pass draws again: ``least-confident``, the half that the first pass found least
            likely; ``every-second``; ``none``, without a second pass. The published code means the first of these, but
            its scores are all zero by then, so that it leaves the choice to how the machine sorts equal numbers.
        redraw_given: let the second pass also draw the tokens that stay, as the published code does: it goes on from
            what was drawn there, which is thrown away at the end, and takes several times as long.
        top_k_ratio: of the finer layers only, see above; here all codes are eligible.
    """

    official_values: ClassVar[Mapping[str, Any]] = {"redraw_given": True}

    guidance_scale: float = Field(default=4.0, ge=0)
    second_guidance_scale: float = Field(default=3.0, ge=0)
    temperature: float = Field(default=1.0, ge=0)
    remake: Literal["least-confident", "every-second", "none"] = "least-confident"
    redraw_given: bool = False
