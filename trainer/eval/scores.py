"""The numbers of one set of pairs: of every repeat, and over all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hero_core.motion.humanml3d import vectors_to_joints
from trainer.eval.metrics import confidence_interval, diversity, fid, mpjpe, multimodality
from trainer.eval.protocol import Embedded, EvaluationConfig, Repeat, Rows

OFFICIAL_DIVERSITY_PAIRS = 300
FEW_DIVERSITY_PAIRS = 13


class Summary(NamedTuple):
    """One metric: mean and half width of the 95 % interval over all repeats, and its value in each."""

    mean: float
    ci95: float
    values: list[float]


class RoundTrip(NamedTuple):
    """What the generator's tokens or latents keep of the true motions: FID, and mean joint error over all poses."""

    fid: float
    mpjpe_m: float


@dataclass(frozen=True)
class GroupScores:
    """Numbers of one set of pairs.

    Attributes:
        pairs: how many.
        metrics: by name: ``real_diversity``, ``fid``, ``diversity`` and, where measured, ``multimodality``.
        reconstruction: None for a generator without tokens or latents.
    """

    pairs: int
    metrics: dict[str, Summary]
    reconstruction: RoundTrip | None


def diversity_pairs(pairs: int, config: EvaluationConfig) -> int:
    """How many to draw for Diversity: as set, or the official 300 if there are more motions than that, else 13."""
    usual = OFFICIAL_DIVERSITY_PAIRS if pairs > OFFICIAL_DIVERSITY_PAIRS else FEW_DIVERSITY_PAIRS
    return min(config.diversity_pairs or usual, pairs)


def score(repeat: Repeat, real: Embedded, rows: Rows, config: EvaluationConfig) -> dict[str, float]:
    """The metrics of one repeat.

    Args:
        repeat: what was generated for all pairs.
        real: the true motions of all pairs.
        rows: the pairs of the set.
        config: how many are drawn.

    Returns:
        By name; no ``multimodality`` where no clip of the set got several reactions.

    Raises:
        InputError: fewer than two pairs, or embeddings that are not finite.
    """
    drawn = diversity_pairs(len(rows), config)
    truth, generated = real.embeddings[rows], repeat.reactions.embeddings[rows]
    scores = {
        "real_diversity": diversity(truth, drawn, repeat.rng),
        "fid": fid(truth, generated),
        "diversity": diversity(generated, drawn, repeat.rng),
    }
    several = repeat.multimodality_embeddings[np.isin(repeat.multimodality_rows, rows)]
    if len(several):
        compared = min(config.multimodality_pairs, config.multimodality_generations)
        scores["multimodality"] = multimodality(several, compared, repeat.rng)
    return scores


def summarise(repeats: Sequence[Mapping[str, float]]) -> dict[str, Summary]:
    """Mean, interval and values of every metric, over the repeats in which it was measured."""
    values: dict[str, list[float]] = {}
    for scores in repeats:
        for name, value in scores.items():
            values.setdefault(name, []).append(value)
    return {name: Summary(*confidence_interval(measured), measured) for name, measured in values.items()}


def round_trip(real: Embedded, rebuilt: Embedded, rows: Rows) -> RoundTrip:
    """Compare the true motions of a set of pairs with themselves after the round trip."""
    errors = [
        mpjpe(vectors_to_joints(real.motions[row]), vectors_to_joints(rebuilt.motions[row])) for row in rows
    ]
    distance = fid(real.embeddings[rows], rebuilt.embeddings[rows])
    return RoundTrip(distance, float(np.concatenate(errors).mean()))
