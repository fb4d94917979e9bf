"""MoMask (Guo et al., CVPR 2024), with a video where its text was: HERO's transformers with a condition token only.

What it shares with HERO is HERO's own: the tokenizer, masking, the residual layers and generation. An encoder layer of
MoMask is HERO's unit without its attention to the frames.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, PositiveInt

from hero_core.config import Config
from hero_core.models.base import register
from hero_core.models.generators.hero import Hero, MaskedTransformer, ResidualTransformer
from hero_core.models.generators.hero.masked import MaskedConfig
from hero_core.models.generators.hero.residual import ResidualConfig
from hero_core.models.tokenizers.rvq import RvqTokenizer


class MomaskMaskedConfig(MaskedConfig):
    """Settings of the masked transformer; the defaults are the published model's.

    Attributes:
        use_iie: build the condition token from HERO's interaction intention instead of the plain global feature.
        use_die: never; MoMask does not see the frames.
        frame_time: of no use without them.
    """

    layers: PositiveInt = 8
    use_iie: bool = False
    use_die: Literal[False] = False
    frame_time: Literal["none"] = "none"


class MomaskResidualConfig(ResidualConfig):
    """Settings of the residual transformer; the defaults are the published model's.

    Attributes:
        use_iie: as in :class:`MomaskMaskedConfig`, and so are ``use_die`` and ``frame_time``.
    """

    layers: PositiveInt = 8
    use_iie: bool = False
    use_die: Literal[False] = False
    frame_time: Literal["none"] = "none"
    share_weights: bool = True
    condition_drop: float = Field(default=0.2, ge=0, lt=1)


class MomaskMasked(MaskedTransformer):
    """Predicts the codes of masked base-layer tokens from the others and one token for the video."""

    kind: ClassVar[str] = "momask-masked"
    settings: ClassVar[type[MaskedConfig]] = MomaskMaskedConfig


class MomaskResidual(ResidualTransformer):
    """Predicts one layer's tokens from the coarser ones and one token for the video."""

    kind: ClassVar[str] = "momask-residual"
    settings: ClassVar[type[ResidualConfig]] = MomaskResidualConfig


@register
class Momask(Hero):
    """Tokenizer, masked transformer and residual transformer as one generator; samples as HERO does."""

    kind: ClassVar[str] = "momask"
    parts: ClassVar[Mapping[str, type[Any]]] = {
        "rvq": RvqTokenizer,
        "masked": MomaskMasked,
        "residual": MomaskResidual,
    }
    optional_parts: ClassVar[frozenset[str]] = frozenset()
    settings: ClassVar[type[Config]] = Config
