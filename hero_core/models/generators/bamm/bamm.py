"""BAMM (Pinyoanuntapong et al., ECCV 2024), with a video where its text was: a bidirectional autoregressive model.

One transformer draws the base-layer tokens one after another until it draws END, so it also decides how long a
reaction is, and then draws some of them again in sight of those that stay. The finer layers are MoMask's.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from hero_core.config import Config
from hero_core.models.base import Reactions, VideoFeatures, register
from hero_core.models.generators.bamm.passes import generate_base
from hero_core.models.generators.bamm.settings import BammSampling
from hero_core.models.generators.bamm.transformer import BammTransformer
from hero_core.models.generators.hero.hero import require_fit
from hero_core.models.generators.momask import MomaskResidual
from hero_core.models.lengths import whole_lengths
from hero_core.models.sampling import generating, uniform_from
from hero_core.models.tokenizers.rvq import RvqTokenizer


@register
class Bamm(nn.Module):
    """Tokenizer, autoregressive transformer and MoMask's residual transformer as one generator."""

    kind: ClassVar[str] = "bamm"
    parts: ClassVar[Mapping[str, type[Any]]] = {
        "rvq": RvqTokenizer,
        "autoregressive": BammTransformer,
        "residual": MomaskResidual,
    }
    settings: ClassVar[type[Config]] = Config
    sampling_settings: ClassVar[type[Config]] = BammSampling
    chooses_length: ClassVar[bool] = True
    stops_by_itself: ClassVar[bool] = True

    tokenizer: RvqTokenizer
    autoregressive: BammTransformer
    residual: MomaskResidual | None

    def __init__(self, parts: Mapping[str, Any], sampling: BammSampling | None = None) -> None:
        """Put the parts together; without a residual transformer, reactions are made of base tokens alone.

        Raises:
            ConfigError: they were not made for the same codes and features.
        """
        super().__init__()
        require_fit(parts)
        self.tokenizer, self.autoregressive = parts["rvq"], parts["autoregressive"]
        self.residual = parts.get("residual")
        self.sampling = sampling or BammSampling()

    @property
    def feature_dim(self) -> int:
        """Length of a feature vector."""
        return self.autoregressive.config.feature_dim

    @property
    def max_length(self) -> int:
        """Longest reaction, in frames."""
        transformers = (self.autoregressive, self.residual) if self.residual else (self.autoregressive,)
        return min(each.config.max_tokens for each in transformers) * self.tokenizer.unit_length

    @torch.no_grad()
    def generate(self, condition: VideoFeatures, lengths: Tensor | None, rng: torch.Generator) -> Reactions:
        """Reactions to videos, each decoded at its own length.

        Args:
            condition: features of ``b`` clips.
            lengths: ``(b,)`` int64 frames, rounded down to whole tokens; None for those that the model decides.
            rng: decides everything that is random; a CPU generator gives the same draws on every device.

        Raises:
            InputError: see :func:`whole_lengths`.
        """
        unit, device = self.tokenizer.unit_length, condition.global_feature.device
        token_lengths = None
        if lengths is not None:
            frames = whole_lengths(condition, lengths, self.max_length)
            token_lengths = torch.tensor(frames, device=device) // unit
        most, uniform = self.max_length // unit, uniform_from(rng, device)
        with generating(self):
            base = generate_base(self.autoregressive, condition, token_lengths, most, uniform, self.sampling)
            layers = base.tokens[..., None]  # (b, m, 1)
            if self.residual is not None:
                layers = self.residual.generate(
                    base.tokens, condition, base.lengths, uniform, self.sampling
                )  # (b, m, q)
            motion = self.tokenizer.decode_each(layers, base.lengths)
        return Reactions(motion, base.lengths.cpu() * unit)

    @torch.no_grad()
    def reconstruct(self, motion: Tensor, lengths: Tensor) -> Tensor:
        """Motions ``(b, n, 263)`` through the tokenizer and back, zero past each length."""
        return self.tokenizer.decode(self.tokenizer.encode(motion, lengths), lengths)
