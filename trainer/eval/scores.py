"""The numbers of one set of pairs: of every repeat, and over all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hero_core.models.codec import MotionCodec
from hero_core.motion.humanml3d import vectors_to_joints
from trainer.eval.metrics import Interval, confidence_interval, diversity, fid, mpjpe, multimodality
from trainer.eval.protocol import Embeddings, EvaluationConfig, Motion, Repeat


class RepeatScores(NamedTuple):
    """Metrics of one repeat; ``multimodality`` is None where no clip of the set got several reactions."""

    real_diversity: float
    fid: float
    diversity: float
    multimodality: float | None


class Summary(NamedTuple):
    """One metric: over all repeats, and in each."""

    interval: Interval
    values: list[float]


@dataclass(frozen=True)
class GroupScores:
    """Numbers of one set of pairs.

    Attributes:
        pairs: how many.
        diversity_pairs: drawn for Diversity.
        metrics: by name, those of :class:`RepeatScores` that were measured.
        reconstruction_fid: of the true motions after the tokenizer's round trip.
        reconstruction_mpjpe_m: mean joint error of the same, over all poses.
    """

    pairs: int
    diversity_pairs: int
    metrics: dict[str, Summary]
    reconstruction_fid: float
    reconstruction_mpjpe_m: float


class References(NamedTuple):
    """What all pairs are compared with.

    Attributes:
        real: the true motions.
        real_embeddings: ``(n, d)`` of those.
        rebuilt: the same motions after the tokenizer's round trip.
        rebuilt_embeddings: ``(n, d)`` of those.
    """

    real: Sequence[Motion]
    real_embeddings: Embeddings
    rebuilt: Sequence[Motion]
    rebuilt_embeddings: Embeddings


class Group:
    """A set of pairs, ``rows`` of all, whose repeats are scored as they come."""

    def __init__(self, references: References, rows: NDArray[np.int64], config: EvaluationConfig) -> None:
        self._references = references
        self._rows = rows
        self._config = config
        self._repeats: list[RepeatScores] = []

    @property
    def diversity_pairs(self) -> int:
        """Pairs to draw: as set, or the official 300 if there are more motions than that, else 13."""
        wanted = self._config.diversity_pairs or (300 if len(self._rows) > 300 else 13)
        return min(wanted, len(self._rows))

    def add(self, repeat: Repeat) -> None:
        """Score one repeat.

        Raises:
            InputError: fewer than two pairs, or embeddings that are not finite.
        """
        generated, real = repeat.embeddings[self._rows], self._references.real_embeddings[self._rows]
        several = repeat.multimodality_embeddings[np.isin(repeat.multimodality_rows, self._rows)]
        pairs = min(self._config.multimodality_pairs, self._config.multimodality_generations)
        self._repeats.append(
            RepeatScores(
                real_diversity=diversity(real, self.diversity_pairs, repeat.rng),
                fid=fid(real, generated),
                diversity=diversity(generated, self.diversity_pairs, repeat.rng),
                multimodality=multimodality(several, pairs, repeat.rng) if len(several) else None,
            )
        )

    def note(self) -> str:
        """The latest FID, in words."""
        return f"FID {self._repeats[-1].fid:.3f}"

    def scores(self) -> GroupScores:
        """Everything over all repeats so far."""
        return GroupScores(
            pairs=len(self._rows),
            diversity_pairs=self.diversity_pairs,
            metrics=summarise(self._repeats),
            reconstruction_fid=fid(
                self._references.real_embeddings[self._rows], self._references.rebuilt_embeddings[self._rows]
            ),
            reconstruction_mpjpe_m=mpjpe_of_set(
                [self._references.real[row] for row in self._rows],
                [self._references.rebuilt[row] for row in self._rows],
            ),
        )


def summarise(repeats: Sequence[RepeatScores]) -> dict[str, Summary]:
    """Mean, interval and values of every metric that was measured."""
    columns = {name: [getattr(scores, name) for scores in repeats] for name in RepeatScores._fields}
    measured = {name: [value for value in column if value is not None] for name, column in columns.items()}
    return {name: Summary(confidence_interval(values), values) for name, values in measured.items() if values}


@torch.inference_mode()
def reconstruct(codec: MotionCodec, motions: Sequence[Motion], device: torch.device) -> list[Motion]:
    """Every motion through the tokenizer and back, each at its own length."""
    rebuilt = []
    for motion in motions:
        batch = torch.from_numpy(np.array(motion)).to(device)[None]  # (1, n, 263)
        lengths = torch.tensor([len(motion)], device=device)
        rebuilt.append(codec.decode(codec.encode(batch, lengths), lengths)[0].float().cpu().numpy())
    return rebuilt


def mpjpe_of_set(real: Sequence[Motion], rebuilt: Sequence[Motion]) -> float:
    """Mean over all poses of all motions, in metres."""
    errors = [
        mpjpe(vectors_to_joints(truth), vectors_to_joints(guess))
        for truth, guess in zip(real, rebuilt, strict=True)
    ]
    return float(np.concatenate(errors).mean())
