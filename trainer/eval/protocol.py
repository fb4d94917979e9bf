"""How reactions are measured: the paper's protocol, read soundly, with the release's quirks as switches.

20 repeats; in each, one reaction to every held-out pair at the length of its true one, and 30 reactions to some
clips for MultiModality. Every repeat draws from its own seed, derived from one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from hero_core.config import Config
from hero_core.models.evaluator import MotionEvaluator
from hero_core.models.hero import Generator
from hero_core.models.sampling import SamplingConfig
from trainer.data import Sample, collate
from trainer.draws import Span, crop, whole_tokens

ProtocolName = Literal["paper", "official", "quick"]
Motion = NDArray[np.float32]  # (n, 263) HumanML3D units
Embeddings = NDArray[np.float32]  # (n, d)


class OfficialSwitches(Config):
    """What the official evaluation does and ours does not; each changes numbers.

    Attributes:
        random_crops: evaluate on randomly shortened pieces of the true motions, drawn once for all repeats.
        frozen_multimodality: MultiModality always from the first batches of one shuffled order; otherwise every
            repeat draws its clips anew.
    """

    random_crops: bool = False
    frozen_multimodality: bool = False


class EvaluationConfig(Config):
    """Settings of an evaluation; the defaults are the paper's, section 5.1.

    Attributes:
        repeats: how often everything is generated and measured.
        seed: of everything random.
        batch_size: clips generated at a time; with another size the clips get other random numbers.
        diversity_pairs: pairs drawn for Diversity; by default 300 if there are more clips than that, else 13.
        multimodality_clips: clips that get several reactions; the official first 3 batches of 32.
        multimodality_generations: reactions to each of them.
        multimodality_pairs: pairs of reactions compared, the same for all clips of a repeat.
        control_repeats: repeats with features shuffled between clips, for the plausibility control.
        sampling: how reactions are drawn. With its ``decode_padded``, as in the official release, what the decoder
            makes of the padding behind a reaction also reaches the evaluator.
        official: quirks of the official evaluation.
    """

    repeats: int = Field(20, ge=1)
    seed: int = Field(10107, ge=0)
    batch_size: int = Field(32, ge=1)
    diversity_pairs: int | None = Field(None, ge=1)
    multimodality_clips: int = Field(96, ge=0)
    multimodality_generations: int = Field(30, ge=2)
    multimodality_pairs: int = Field(10, ge=1)
    control_repeats: int = Field(3, ge=0)
    sampling: SamplingConfig = SamplingConfig()
    official: OfficialSwitches = OfficialSwitches()


PROTOCOLS: dict[ProtocolName, dict[str, object]] = {
    "paper": {},
    "official": {
        "official": {"random_crops": True, "frozen_multimodality": True},
        "sampling": {"decode_padded": True},
    },
    "quick": {
        "repeats": 3,
        "multimodality_clips": 10,
        "multimodality_generations": 10,
        "control_repeats": 1,
    },
}
"""Presets: ``paper`` is the sound reading, ``official`` compares with published numbers, ``quick`` is a first look
for machines without a GPU, with a small part of the reactions."""


@dataclass(frozen=True)
class Repeat:
    """What one repeat generated.

    Attributes:
        motions: one reaction to every pair, in their order.
        embeddings: ``(n, d)`` of those.
        multimodality_rows: ``(k,)``, the pairs with several reactions.
        multimodality_embeddings: ``(k, generations, d)``.
        rng: for the draws of the metrics.
    """

    motions: Sequence[Motion]
    embeddings: Embeddings
    multimodality_rows: NDArray[np.int64]
    multimodality_embeddings: NDArray[np.float32]
    rng: np.random.Generator


class Evaluation:
    """Generates and embeds under one protocol."""

    def __init__(
        self,
        generator: Generator,
        evaluator: MotionEvaluator,
        samples: Sequence[Sample],
        config: EvaluationConfig,
        padded_frames: int,
        device: torch.device,
    ) -> None:
        self._generator = generator
        self._evaluator = evaluator
        self._samples = samples
        self._config = config
        self._padded_frames = padded_frames
        self._device = device
        self._order = np.random.default_rng([config.seed]).permutation(len(samples))
        self._spans = [self._span(index, len(sample.motion)) for index, sample in enumerate(samples)]

    @property
    def lengths(self) -> list[int]:
        """Frames of every true motion, as evaluated; a reaction gets the same."""
        return [span.frames for span in self._spans]

    def real_motions(self) -> list[Motion]:
        """The true motions, as evaluated."""
        return [sample.motion[span.slice] for sample, span in zip(self._samples, self._spans, strict=True)]

    def embed(self, motions: Sequence[Motion]) -> Embeddings:
        """Embeddings ``(n, d)`` of motions, zero past their ends."""
        embedded = []
        for start in range(0, len(motions), self._config.batch_size):
            batch = motions[start : start + self._config.batch_size]
            padded = torch.zeros(len(batch), self._padded_frames, batch[0].shape[1])  # (b, n, 263)
            for row, motion in enumerate(batch):
                padded[row, : len(motion)] = torch.from_numpy(np.array(motion, np.float32))
            embedded.append(
                self._embed(padded, torch.tensor([len(motion) for motion in batch]), zero_tail=True)
            )
        return np.concatenate(embedded)

    def repeats(self) -> Iterator[Repeat]:
        """The repeats, one after another; each is a function of the seed and its number alone."""
        for number in range(self._config.repeats):
            yield self._repeat(number)

    def generate_with(self, condition_of: NDArray[np.int64], seed: int) -> list[Motion]:
        """Reactions of every pair's length to the videos of other pairs: row ``i`` sees that of ``condition_of[i]``."""
        rng = self._torch_rng([self._config.seed, self._config.repeats, seed])
        motions: dict[int, Motion] = {}
        for rows in self._batches(self._order):
            motions |= self._cut(rows, self._generate(rows, condition_of[rows], rng))
        return [motions[row] for row in range(len(motions))]

    def _repeat(self, number: int) -> Repeat:
        draws = np.random.default_rng([self._config.seed, number])
        rng = self._torch_rng([self._config.seed, number])
        chosen = self._multimodality_rows(draws)
        motions: dict[int, Motion] = {}
        embeddings: dict[int, list[Embeddings]] = {row: [] for row in range(len(self._samples))}
        once = self._order[~np.isin(self._order, chosen)]
        for rows, times in ((chosen, self._config.multimodality_generations), (once, 1)):
            for batch in self._batches(rows):
                for _ in range(times):
                    generated = self._generate(batch, batch, rng)
                    for row, embedding in zip(batch, self._embed_generated(batch, generated), strict=True):
                        embeddings[int(row)].append(embedding)
                motions |= self._cut(batch, generated)
        return Repeat(
            motions=[motions[row] for row in range(len(motions))],
            # Of several reactions to a clip the last one counts, as in the official code; they are equally likely.
            embeddings=np.stack([embeddings[row][-1] for row in range(len(motions))]),
            multimodality_rows=chosen,
            multimodality_embeddings=_stacked([embeddings[int(row)] for row in chosen]),
            rng=draws,
        )

    def _multimodality_rows(self, draws: np.random.Generator) -> NDArray[np.int64]:
        order = self._order
        if not self._config.official.frozen_multimodality:
            order = draws.permutation(len(self._samples))
        return order[: self._config.multimodality_clips]

    def _batches(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        if not self._config.sampling.decode_padded:  # then batches only matter for speed: little padding
            rows = rows[np.argsort([self._spans[row].frames for row in rows], kind="stable")]
        for start in range(0, len(rows), self._config.batch_size):
            yield rows[start : start + self._config.batch_size]

    def _generate(
        self, rows: NDArray[np.int64], condition_of: NDArray[np.int64], rng: torch.Generator
    ) -> Tensor:
        samples = [self._samples[row] for row in condition_of]
        condition = collate(samples, [Span(0, 0)] * len(samples), 0).condition.to(self._device)
        lengths = torch.tensor([self._spans[row].frames for row in rows], device=self._device)
        return self._generator.generate(condition, lengths, rng)  # (b, n, 263)

    def _embed_generated(self, rows: NDArray[np.int64], generated: Tensor) -> Embeddings:
        lengths = torch.tensor([self._spans[row].frames for row in rows])
        if self._config.sampling.decode_padded:
            return self._embed(generated, lengths, zero_tail=False)
        short = self._padded_frames - generated.shape[1]
        return self._embed(torch.nn.functional.pad(generated, (0, 0, 0, short)), lengths, zero_tail=True)

    @torch.inference_mode()
    def _embed(self, motion: Tensor, lengths: Tensor, zero_tail: bool) -> Embeddings:
        embedded = self._evaluator.embed(motion.to(self._device), lengths.to(self._device), zero_tail)
        return embedded.float().cpu().numpy()

    def _cut(self, rows: NDArray[np.int64], generated: Tensor) -> dict[int, Motion]:
        """The generated motions by row, each at its own length."""
        arrays = generated.float().cpu().numpy()  # (b, n, 263)
        return {int(row): array[: self._spans[row].frames] for row, array in zip(rows, arrays, strict=True)}

    def _span(self, index: int, frames: int) -> Span:
        if self._config.official.random_crops:
            return crop(self._config.seed, 0, index, frames)
        return whole_tokens(frames)

    def _torch_rng(self, entropy: list[int]) -> torch.Generator:
        seed = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))
        return torch.Generator(self._device).manual_seed(seed)


def _stacked(generations: list[list[Embeddings]]) -> NDArray[np.float32]:
    if not generations:
        return np.zeros((0, 0, 0), np.float32)
    return np.stack([np.stack(of_one_clip) for of_one_clip in generations])  # (k, generations, d)
