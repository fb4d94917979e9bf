"""BAMM's settings: of its transformer, and how it samples."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from hero_core.models.generators.hero.intention import ConditionConfig
from hero_core.models.generators.hero.settings import ResidualSampling


class BammConfig(ConditionConfig):
    """Settings of the transformer. The defaults are the published model's.

    Attributes:
        codebook_size: motion codes of the base layer; in training, the tokenizer's.
        code_dim: width of the learned token embeddings.
        latent_dim: width of the blocks.
        ff_size: hidden width of their feed-forward networks.
        layers: the blocks.
        heads: attention heads of each.
        dropout: in the blocks, in training.
        max_tokens: longest reaction, in tokens of four frames.
        condition_drop: share of training samples whose condition is dropped, for classifier-free guidance.
    """

    of_weights: ClassVar[frozenset[str]] = frozenset(
        {
            "codebook_size",
            "code_dim",
            "latent_dim",
            "ff_size",
            "layers",
            "heads",
            "feature_dim",
            "use_iie",
            "intention_heads",
        }
    )

    codebook_size: PositiveInt = 512
    code_dim: PositiveInt = 512
    latent_dim: PositiveInt = 384
    ff_size: PositiveInt = 1024
    layers: PositiveInt = 8
    heads: PositiveInt = 6
    dropout: float = Field(default=0.2, ge=0, lt=1)
    max_tokens: PositiveInt = 50
    condition_drop: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Self:
        if self.latent_dim % self.heads or self.latent_dim % 2:
            raise ValueError(f"latent_dim {self.latent_dim} must be even and divisible by heads {self.heads}")
        return self


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
