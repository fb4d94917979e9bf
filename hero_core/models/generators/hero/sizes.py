"""Settings that all transformers over the tokenizer's codes have: HERO's, MoMask's and BAMM's."""

from typing import ClassVar, Self

from pydantic import Field, PositiveInt, model_validator

from hero_core.models.generators.hero.intention import ConditionConfig


class TokenTransformerConfig(ConditionConfig):
    """Sizes of a transformer over motion tokens, and how it is trained.

    Attributes:
        codebook_size: motion codes of one quantizer layer; in training, the tokenizer's.
        code_dim: width of the learned token embeddings.
        latent_dim: width of the transformer.
        ff_size: hidden width of its feed-forward networks.
        layers: its units.
        heads: attention heads of each unit.
        dropout: in the units, in training.
        max_tokens: longest sequence, in tokens of four frames.
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
