"""How reactions are measured: the paper's protocol, read soundly, with the release's quirks as switches.

20 repeats; in each, one reaction to every held-out pair at the length of its true one, and 30 reactions to some
clips for MultiModality. Every repeat draws from its own seed, derived from one.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator

from hero_core.config import Config
from hero_core.models.base import Generator, VideoFeatures, generator_class
from hero_core.models.evaluator import MotionEvaluator
from hero_core.records import FeatureRecord
from hero_core.training_set import Sample
from trainer.data.draws import Crops, Draw, Pieces, whole_motions
from trainer.eval.choices import ProtocolName
from trainer.reactions import Motion, cut, embed, react, reconstruct, torch_rng

Embeddings = NDArray[np.float32]  # (n, d)
Rows = NDArray[np.int64]  # (k,) indices of pairs


class OfficialSwitches(Config):
    """What the official evaluation does and ours does not; each changes numbers.

    Attributes:
        random_crops: evaluate on randomly shortened pieces of the true motions, drawn once for all repeats.
        frozen_multimodality: MultiModality always from the first batches of one shuffled order; otherwise every
            repeat draws its clips anew.
        keep_tail: reactions go to the evaluator as the generator returns them, a batch of mixed lengths at a time
            and no longer than its longest; what is behind a reaction's end reaches the last movement.
    """

    random_crops: bool = False
    frozen_multimodality: bool = False
    keep_tail: bool = False


class EvaluationConfig(Config):
    """Settings of an evaluation; the defaults are the paper's, section 5.1.

    Attributes:
        repeats: how often everything is generated and measured.
        seed: of everything random.
        pairs: measure on ``all`` pairs, or on the ``first`` one of every clip.
        lengths: of reactions: ``true``, those of the true motions; ``own``, what the generator chooses; ``auto``, its
            own where it stops by itself, else the true ones.
        batch_size: clips generated at a time; with another size the clips get other random numbers.
        diversity_pairs: pairs drawn for Diversity; by default 300 if there are more clips than that, else 13.
        multimodality_clips: clips that get several reactions; the official first 3 batches of 32.
        multimodality_generations: reactions to each of them.
        multimodality_pairs: pairs of reactions compared, the same for all clips of a repeat.
        controls: judge reactions to changed videos too (:mod:`trainer.eval.controls`), where answers are known.
        bootstrap: resamples of the clips, for how far a metric depends on which they are; 0 for none.
        intervals: over repeats, ``student`` with Student's t, or ``paper`` with 1.96 and n as published.
        sampling: the generator's own settings of how reactions are drawn, where not its defaults.
        official: quirks of the official evaluation.
    """

    repeats: int = Field(20, ge=1)
    seed: int = Field(10107, ge=0)
    pairs: Literal["all", "first"] = "all"
    lengths: Literal["auto", "true", "own"] = "auto"
    batch_size: int = Field(32, ge=1)
    diversity_pairs: int | None = Field(None, ge=1)
    multimodality_clips: int = Field(96, ge=0)
    multimodality_generations: int = Field(30, ge=2)
    multimodality_pairs: int = Field(10, ge=1)
    controls: bool = True
    bootstrap: int = Field(200, ge=0)
    intervals: Literal["student", "paper"] = "student"
    sampling: dict[str, object] = Field(default_factory=dict)
    official: OfficialSwitches = OfficialSwitches()

    @field_validator("lengths", mode="before")
    @classmethod
    def _true_is_a_word(cls, value: object) -> object:
        """What ``--set lengths=true`` gives, which TOML takes for a truth value."""
        return "true" if value is True else value

    def sampling_overrides(self) -> list[str]:
        """The sampling settings as ``name=value``, as a run is loaded with."""
        return [f"{name}={json.dumps(value)}" for name, value in self.sampling.items()]


OFFICIAL_SAMPLING: dict[str, object] = {"decode_padded": True}
"""Sampling settings of the official evaluation, for a generator that has them."""

PROTOCOLS: dict[ProtocolName, dict[str, Any]] = {
    "paper": {},
    "official": {
        "official": {"random_crops": True, "frozen_multimodality": True, "keep_tail": True},
        "sampling": OFFICIAL_SAMPLING,
        "intervals": "paper",
    },
    "quick": {
        "repeats": 3,
        "pairs": "first",
        "multimodality_clips": 10,
        "multimodality_generations": 5,
    },
}
"""Presets: ``paper`` is the sound reading, ``official`` compares with published numbers, ``quick`` is a first look
for machines without a GPU, with a small part of the reactions."""


def protocol_for(name: ProtocolName, generator: str | None) -> dict[str, Any]:
    """A preset's settings, without sampling settings that the generator of this kind does not have."""
    known = generator_class(generator).sampling_settings.model_fields if generator else {}
    preset = PROTOCOLS[name]
    sampling = {key: value for key, value in preset.get("sampling", {}).items() if key in known}
    return {**preset, "sampling": sampling}


class Embedded(NamedTuple):
    """One motion for every pair, in their order, and their embeddings ``(n, d)``."""

    motions: Sequence[Motion]
    embeddings: Embeddings


@dataclass(frozen=True)
class Repeat:
    """What one repeat generated.

    Attributes:
        reactions: one to every pair.
        multimodality_rows: ``(k,)``, the pairs with several reactions.
        multimodality_embeddings: ``(k, generations, d)``.
        rng: for the draws of the metrics.
    """

    reactions: Embedded
    multimodality_rows: Rows
    multimodality_embeddings: NDArray[np.float32]
    rng: np.random.Generator


class Evaluation:
    """Generates and embeds under one protocol.

    Attributes:
        own_lengths: whether reactions have the lengths that the generator chooses.
    """

    def __init__(
        self,
        generator: Generator,
        evaluator: MotionEvaluator,
        samples: Sequence[Sample],
        config: EvaluationConfig,
        device: torch.device,
    ) -> None:
        self._generator = generator
        self._evaluator = evaluator
        self._samples = samples
        self._config = config
        self._device = device
        by_itself = config.lengths == "auto" and generator.stops_by_itself
        self.own_lengths = config.lengths == "own" or by_itself
        self._order = np.random.default_rng([config.seed]).permutation(len(samples))
        self._pieces = _pieces([len(sample.motion) for sample in samples], config)

    @property
    def lengths(self) -> list[int]:
        """Frames of every true motion, as evaluated; a reaction gets the same, unless it has its own."""
        frames: list[int] = self._pieces.frames.tolist()
        return frames

    def real_motions(self) -> list[Motion]:
        """The true motions, as evaluated."""
        starts, lengths = self._pieces.starts, self._pieces.frames
        return [
            sample.motion[start : start + length]
            for sample, start, length in zip(self._samples, starts, lengths, strict=True)
        ]

    def reconstruct(self, motions: Sequence[Motion]) -> list[Motion] | None:
        """Motions through the generator's tokens or latents and back; None where it has none."""
        return reconstruct(self._generator, motions, self._config.batch_size, self._device)

    def embed(self, motions: Sequence[Motion]) -> Embedded:
        """Motions with their embeddings, all padded to 200 frames."""
        return Embedded(motions, embed(self._evaluator, motions, self._config.batch_size, self._device))

    def repeat(self, number: int) -> Repeat:
        """One repeat, a function of the seed and its number alone."""
        draws = np.random.default_rng([self._config.seed, number])
        rng = torch_rng([self._config.seed, number])
        chosen = self._multimodality_rows(draws)
        once = self._order[~np.isin(self._order, chosen)]
        motions: dict[int, Motion] = {}
        embeddings: dict[int, list[Embeddings]] = {}
        for rows, times in ((chosen, self._config.multimodality_generations), (once, 1)):
            for batch in self._batches(rows):
                for _ in range(times):
                    reactions = self._react(batch, rng)
                    for row, embedding in zip(batch.tolist(), reactions.embeddings, strict=True):
                        embeddings.setdefault(row, []).append(embedding)
                motions |= zip(batch.tolist(), reactions.motions, strict=True)
        # Of several reactions to a clip the last one counts, as in the official code; they are equally likely.
        last = [embeddings[row][-1] for row in range(len(motions))]
        several = [embeddings[row] for row in chosen.tolist()]  # (k, generations, d)
        return Repeat(Embedded(_in_order(motions), np.stack(last)), chosen, np.array(several), draws)

    def react_to(self, videos: Sequence[FeatureRecord], number: int, rows: Sequence[int]) -> list[Motion]:
        """One reaction to each video, of the length of the pair in ``rows``; another ``number``, other draws."""
        lengths = self._pieces.frames[np.asarray(rows)].tolist()
        rng = torch_rng([self._config.seed, self._config.repeats, number])
        size, device = self._config.batch_size, self._device
        return react(self._generator, videos, lengths, rng, size, device, self.own_lengths)

    def _multimodality_rows(self, draws: np.random.Generator) -> Rows:
        order = self._order
        if not self._config.official.frozen_multimodality:
            order = draws.permutation(len(self._samples))
        return order[: self._config.multimodality_clips]

    def _batches(self, rows: Rows) -> Iterator[Rows]:
        if not self._config.official.keep_tail:  # then batches only matter for speed: little padding
            rows = rows[np.argsort(self._pieces.frames[rows], kind="stable")]
        for start in range(0, len(rows), self._config.batch_size):
            yield rows[start : start + self._config.batch_size]

    @torch.no_grad()
    def _react(self, rows: Rows, rng: torch.Generator) -> Embedded:
        """One reaction to the video of each pair in ``rows``, of its length unless the generator chooses that."""
        features = [self._samples[row].video for row in rows]
        condition = VideoFeatures.of(features, self._pieces.starts[rows].tolist()).to(self._device)
        lengths = torch.from_numpy(self._pieces.frames[rows]).to(self._device)
        made = self._generator.generate(condition, None if self.own_lengths else lengths, rng)
        motions = cut(*made)
        if not self._config.official.keep_tail:
            return self.embed(motions)
        embedded = self._evaluator.embed(made.motion, made.lengths.to(self._device), zero_tail=False)
        return Embedded(motions, embedded.float().cpu().numpy())


def _pieces(lengths: Sequence[int], config: EvaluationConfig) -> Pieces:
    """What of motions with so many frames is evaluated."""
    everything = np.arange(len(lengths))
    if config.official.random_crops:
        return Crops(lengths, config.seed).locate(Draw(0, everything))
    return whole_motions(everything, np.asarray(lengths, np.int64))


def _in_order(motions: Mapping[int, Motion]) -> list[Motion]:
    return [motions[row] for row in range(len(motions))]
