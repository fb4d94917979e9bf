"""HERO: a reaction from a video (paper, section 3)."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hero_core.config import Config
from hero_core.errors import ConfigError, InputError
from hero_core.models.base import Reactions, VideoFeatures, register
from hero_core.models.explanation import Explanation
from hero_core.models.generators.hero.length import LengthHead
from hero_core.models.generators.hero.masked import MaskedTransformer
from hero_core.models.generators.hero.residual import ResidualTransformer
from hero_core.models.generators.hero.settings import HeroSampling, HeroSettings
from hero_core.models.lengths import whole_lengths
from hero_core.models.padding import zero_past
from hero_core.models.recorder import Recordings, recordings_on
from hero_core.models.sampling import generating, uniform_ahead, uniform_from
from hero_core.models.tokenizers.codebook import NO_CODE
from hero_core.models.tokenizers.rvq import RvqTokenizer

TOKENS_OF_ROOM = 8
"""A recording has room for a whole multiple of so many tokens."""


@register
class Hero(nn.Module):
    """Tokenizer, masked transformer and residual transformer as one generator, and a head that chooses lengths."""

    kind: ClassVar[str] = "hero"
    parts: ClassVar[Mapping[str, type[Any]]] = {
        "rvq": RvqTokenizer,
        "masked": MaskedTransformer,
        "residual": ResidualTransformer,
        "length": LengthHead,
    }
    optional_parts: ClassVar[frozenset[str]] = frozenset({"length"})
    settings: ClassVar[type[Config]] = HeroSettings
    sampling_settings: ClassVar[type[Config]] = HeroSampling
    stops_by_itself: ClassVar[bool] = False

    tokenizer: RvqTokenizer
    masked: MaskedTransformer
    residual: ResidualTransformer | None
    length: LengthHead | None

    def __init__(self, parts: Mapping[str, Any], sampling: HeroSampling | None = None) -> None:
        """Put the parts together.

        Without a residual transformer, reactions are made of base tokens alone; without a length head, their lengths
        have to be given.

        Raises:
            ConfigError: they were not made for the same codes and features.
        """
        super().__init__()
        require_fit(parts)
        self.tokenizer, self.masked = parts["rvq"], parts["masked"]
        self.residual, self.length = parts.get("residual"), parts.get("length")
        self.sampling = sampling or HeroSampling()
        self._recordings: dict[torch.device, Recordings | None] = {}

    @property
    def feature_dim(self) -> int:
        """Length of a feature vector."""
        return self.masked.config.feature_dim

    @property
    def max_length(self) -> int:
        """Longest reaction, in frames."""
        transformers = (self.masked, self.residual) if self.residual else (self.masked,)
        return min(each.config.max_tokens for each in transformers) * self.tokenizer.unit_length

    @property
    def chooses_length(self) -> bool:
        """Whether the length head was trained."""
        return self.length is not None

    def generate(self, condition: VideoFeatures, lengths: Tensor | None, rng: torch.Generator) -> Reactions:
        """Reactions to videos.

        Args:
            condition: features of ``b`` clips.
            lengths: ``(b,)`` int64 frames; rounded down to whole tokens (four frames). None for those that the length
                head chooses.
            rng: decides everything that is random; a CPU generator gives the same draws on every device.

        Returns:
            of the rounded lengths; zero past them unless ``sampling.decode_padded``.

        Raises:
            InputError: see :func:`whole_lengths`; or no lengths, and no head that would choose them.
        """
        frames = whole_lengths(
            condition, self._chosen(condition) if lengths is None else lengths, self.max_length
        )
        token_lengths = [each // self.tokenizer.unit_length for each in frames]
        device, size = condition.frames.device, max(token_lengths)
        recordings = self._recordings_on(device)
        room = size if recordings is None else self._room(size)
        inputs = (
            *condition,
            torch.tensor(token_lengths, device=device),
            *self._numbers(rng, len(token_lengths), size, room, device),
        )
        with generating(self):
            if recordings is None:
                motion = self._react(*(each.to(device) for each in inputs))
            else:
                weights = tuple(tensor.data_ptr() for tensor in (*self.parameters(), *self.buffers()))
                bound = self.sampling, torch.get_float32_matmul_precision(), weights
                motion = recordings(self._react, inputs, bound)
        return Reactions(motion[:, : max(frames)], torch.tensor(frames))

    @torch.no_grad()
    def explain(self, condition: VideoFeatures, motion: Tensor, lengths: Tensor) -> Explanation:
        """What the masked transformer looks at, shown the tokens of finished reactions ``(b, n, 263)``."""
        tokens = self._tokens(motion, lengths)  # (b, m, q)
        found = self.masked.explain(tokens[..., 0], lengths // self.tokenizer.unit_length, condition)
        return found._replace(tokens=tokens)

    @torch.no_grad()
    def edit(
        self, condition: VideoFeatures, motion: Tensor, lengths: Tensor, keep: Tensor, rng: torch.Generator
    ) -> Reactions:
        """Motions that are made anew except for the frames to keep, and fit to them.

        A token of four frames is kept if all of its frames are; the others are made from it and the video. The kept
        frames come back as they are, bit by bit, so where they are part of a token that is made there can be a step.

        Args:
            condition: features of ``b`` clips.
            motion: ``(b, n, 263)`` in HumanML3D units.
            lengths: ``(b,)`` int64 frames; rounded down to whole tokens.
            keep: ``(b, n)`` bool.
            rng: as of :meth:`generate`.

        Raises:
            InputError: see :func:`whole_lengths`.
        """
        unit, device = self.tokenizer.unit_length, motion.device
        frames = whole_lengths(condition, lengths, self.max_length)
        token_lengths = torch.tensor(frames, device=device) // unit
        size = max(frames)
        tokens = self._tokens(motion[:, :size], token_lengths * unit)  # (b, m, q)
        whole = keep[:, :size].reshape(len(keep), -1, unit).all(dim=2)  # (b, m)
        kept = tokens.masked_fill(~whole[..., None], NO_CODE)
        uniform = uniform_from(rng, device)
        made = self.masked.generate(condition, token_lengths, uniform, self.sampling, kept=kept[..., 0])[
            ..., None
        ]  # (b, m, 1)
        if self.residual is not None:
            made = self.residual.generate(
                made[..., 0], condition, token_lengths, uniform, self.sampling, kept
            )  # (b, m, q)
        edited = self.tokenizer.decode_each(made, token_lengths)  # (b, n, 263)
        edited = torch.where(keep[:, :size, None], motion[:, :size], edited)
        return Reactions(zero_past(edited, token_lengths * unit), torch.tensor(frames))

    @torch.no_grad()
    def reconstruct(self, motion: Tensor, lengths: Tensor) -> Tensor:
        """Motions ``(b, n, 263)`` through the tokenizer and back, zero past each length."""
        return self.tokenizer.decode(self.tokenizer.encode(motion, lengths), lengths)

    def _tokens(self, motion: Tensor, lengths: Tensor) -> Tensor:
        """Tokens ``(b, m, q)`` of whole ones ``(b, n, 263)``, encoded with room behind, as those of training were.

        Each motion's are then its own, whatever the longest of its batch is.
        """
        frames = motion.shape[1]
        padded = F.pad(motion, (0, 0, 0, self.max_length - frames))
        return self.tokenizer.encode(padded, lengths)[:, : frames // self.tokenizer.unit_length]

    def _chosen(self, condition: VideoFeatures) -> Tensor | None:
        """Lengths ``(b,)`` in frames that fit the videos; None of a generator that has no part for them."""
        if "length" not in self.parts:
            return None
        if self.length is None:
            raise InputError(
                "this run does not choose how long a reaction is: give a length for each video, or train the part "
                "that chooses: hero-train length DATA --out RUN"
            )
        with generating(self.length):
            tokens = self.length.choose(condition)
        return (tokens * self.tokenizer.unit_length).clamp(max=self.max_length)

    def _recordings_on(self, device: torch.device) -> Recordings | None:
        if torch.is_autocast_enabled(device.type):  # its copies of the weights would not outlive it
            return None
        if device not in self._recordings:
            self._recordings[device] = recordings_on(device)
        return self._recordings[device]

    def _room(self, size: int) -> int:
        """Positions of a recording for ``size`` tokens: more than needed, so that a few recordings do for all."""
        if self.sampling.decode_padded:  # the motions would feel it
            return size
        return min(-(-size // TOKENS_OF_ROOM) * TOKENS_OF_ROOM, self.max_length // self.tokenizer.unit_length)

    def _numbers(
        self, rng: torch.Generator, batch: int, size: int, room: int, device: torch.device
    ) -> list[Tensor]:
        """Uniform numbers for the base tokens ``(steps, b, room, classes)``, and for the finer ones."""
        transformers = (self.masked, self.residual) if self.residual else (self.masked,)
        draws = [each.draws(self.sampling) for each in transformers]
        return [uniform_ahead(rng, times, (batch, size, classes), room, device) for times, classes in draws]

    def _react(
        self,
        frames: Tensor,
        global_feature: Tensor,
        times: Tensor,
        token_lengths: Tensor,
        base_numbers: Tensor,
        finer_numbers: Tensor | None = None,
    ) -> Tensor:
        """Motions ``(b, n, 263)`` of these uniform numbers; n is what those have room for."""
        condition = VideoFeatures(frames, global_feature, times)
        base, room = iter(base_numbers), base_numbers.shape[2]
        tokens = self.masked.generate(
            condition, token_lengths, lambda _: next(base), self.sampling, room
        )  # (b, m)
        tokens = tokens[..., None]  # (b, m, 1)
        if self.residual is not None and finer_numbers is not None:
            finer = iter(finer_numbers)
            tokens = self.residual.generate(
                tokens[..., 0], condition, token_lengths, lambda _: next(finer), self.sampling
            )  # (b, m, q)
        if self.sampling.decode_padded:
            return self.tokenizer.decode(tokens)
        return self.tokenizer.decode_each(tokens, token_lengths)


def require_fit(parts: Mapping[str, Any]) -> None:
    """Refuse parts of a generator that were not made for the same codes and features.

    Raises:
        ConfigError: naming the size that differs.
    """
    configs = {name: part.config for name, part in parts.items()}
    for name in ("codebook_size", "quantizers", "feature_dim"):
        sizes = {part: getattr(config, name) for part, config in configs.items() if hasattr(config, name)}
        if len(set(sizes.values())) > 1:
            shown = ", ".join(f"{part} {size}" for part, size in sizes.items())
            raise ConfigError(f"the parts do not fit together: {name} is {shown}")
