"""Settings of the motion tokenizer."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from hero_core.config import Config
from hero_core.models.tokenizers.codebook import CodeReset
from hero_core.motion.format import MOTION_DIM


class RvqConfig(Config):
    """Settings of the tokenizer; the defaults are the official release's.

    Attributes:
        motion_dim: values per frame.
        width: channels of the convolutions.
        code_dim: dimension of latents and codes.
        codebook_size: codes in each layer.
        quantizers: layers of codes; the first is the base layer.
        depth: residual blocks at each temporal scale.
        downsamplings: halvings of the frame rate; 2 make a token of 4 frames.
        dilation_growth: factor between the dilations of neighbouring residual blocks.
        dropout: in the residual blocks, in training.
        quantize_dropout: chance that a training batch uses only the first layers of codes.
        ema_decay: of the codebooks' moving averages.
        sample_temperature: of the sampling of codes in training; 0 takes the nearest code.
        code_reset: what replaces a code that is hardly used: ``random``, any latent of the batch; ``official``, as the
            release does, always the one in the code's own place.
        least_code_use: a code that fewer latents of a batch take, on average, is replaced. Where most of a motion is
            standing about, poses that are rare get codes of their own only if this is small.
        local_position_weight: of the extra loss on local joint positions.
        commitment_weight: of the commitment loss (beta in Eq. 1).
    """

    official_values: ClassVar[Mapping[str, Any]] = {"code_reset": "official"}
    of_weights: ClassVar[frozenset[str]] = frozenset(
        {
            "motion_dim",
            "width",
            "code_dim",
            "codebook_size",
            "quantizers",
            "depth",
            "downsamplings",
            "dilation_growth",
        }
    )
    """What weights are bound to; the other settings only say how they are trained."""

    motion_dim: int = Field(MOTION_DIM, ge=1)
    width: int = Field(512, ge=1)
    code_dim: int = Field(512, ge=1)
    codebook_size: int = Field(512, ge=1)
    quantizers: int = Field(6, ge=1)
    depth: int = Field(3, ge=1)
    downsamplings: int = Field(2, ge=0)
    dilation_growth: int = Field(3, ge=1)
    dropout: float = Field(0.2, ge=0.0, lt=1.0)
    quantize_dropout: float = Field(0.2, ge=0.0, le=1.0)
    ema_decay: float = Field(0.99, ge=0.0, lt=1.0)
    sample_temperature: float = Field(0.5, ge=0.0)
    code_reset: CodeReset = "random"
    least_code_use: float = Field(1.0, gt=0.0)
    local_position_weight: float = Field(0.5, ge=0.0)
    commitment_weight: float = Field(0.02, ge=0.0)

    @property
    def unit_length(self) -> int:
        """Frames a token stands for."""
        return int(2**self.downsamplings)

    @property
    def reach_frames(self) -> int:
        """How far after its first frame a token sees: what the convolutions of the encoder add up to."""
        in_blocks = sum(self.dilation_growth**power for power in range(self.depth))
        reach = 1  # of the last convolution, in tokens
        for _ in range(self.downsamplings):
            reach = 2 * (reach + in_blocks) + 2
        return reach + 1
