"""The settings that concern HERO as a whole: its ablations, and how it samples."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator

from hero_core.config import Config

Ablation = Literal["none", "no-iie", "no-die", "no-both"]
_SWITCHED_OFF: dict[str, tuple[str, ...]] = {
    "no-iie": ("use_iie",),
    "no-die": ("use_die",),
    "no-both": ("use_iie", "use_die"),
}


class HeroSettings(Config):
    """Settings of the whole generator.

    Attributes:
        ablation: the paper's Table 2: leave out the interaction intention (IIE), the dynamic information (DIE), or
            both, in both transformers.
    """

    ablation: Ablation = "none"

    @model_validator(mode="before")
    @classmethod
    def _switch_off(cls, values: Any) -> Any:
        """Write the ablation into the settings of both transformers."""
        if not isinstance(values, Mapping) or values.get("ablation") not in _SWITCHED_OFF:
            return values
        changed = dict(values)
        off = dict.fromkeys(_SWITCHED_OFF[values["ablation"]], False)
        for name in ("masked", "residual"):
            section = dict(changed.get(name) or {})
            changed[name] = section | {"model": {**(section.get("model") or {}), **off}}
        return changed


class ResidualSampling(Config):
    """How the residual transformer generates; the defaults are the paper's evaluation.

    Attributes:
        top_k_ratio: share of the codes that stay eligible, the likeliest ones; the official ``topk_filter_thres`` is
            one minus it.
        residual_guidance_scale: classifier-free guidance; 1 is plain conditional generation, 0 unconditional.
        residual_temperature: 1 samples the predicted distribution, 0 takes its maximum.
        residual_layers: refine only the first so many residual layers; None for all.
    """

    top_k_ratio: float = Field(default=0.1, gt=0, le=1)
    residual_guidance_scale: float = Field(default=5.0, ge=0)
    residual_temperature: float = Field(default=1.0, ge=0)
    residual_layers: int | None = Field(default=None, ge=0)


class HeroSampling(ResidualSampling):
    """How reactions are generated. The defaults are the paper's evaluation.

    Attributes:
        steps: passes of the masked transformer.
        guidance_scale: as ``residual_guidance_scale``, for the masked transformer.
        temperature: as ``residual_temperature``, for the masked transformer, which also uses ``top_k_ratio``.
        decode_padded: decode a batch with its padding, as the official release does: frames past a motion's length
            are not zero, and its last frames depend on the batch. False decodes each motion at its own length.
    """

    steps: PositiveInt = 10
    guidance_scale: float = Field(default=4.0, ge=0)
    temperature: float = Field(default=1.0, ge=0)
    decode_padded: bool = False
