"""The numbers of one set of pairs: of every repeat, and over all of them."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hero_core.motion.humanml3d import vectors_to_joints
from trainer.eval.intervals import Band, bootstrap, paper_interval, student_interval
from trainer.eval.protocol import Embedded, Embeddings, EvaluationConfig, Repeat, Rows
from trainer.metrics import (
    diversity,
    draw_pairs,
    fid,
    mpjpe,
    multimodality,
    multimodality_at,
)
from trainer.reactions import Motion

OFFICIAL_DIVERSITY_PAIRS = 300
FEW_DIVERSITY_PAIRS = 13
FEWEST_TO_HALVE = 4
"""Motions: FID needs two in each half."""


class Summary(NamedTuple):
    """One metric over all repeats.

    Attributes:
        mean: over the repeats.
        ci95: half width of the 95 % interval over repeats; None of a single one.
        values: in each repeat.
        clips: 95 % interval over the clips of the split, of the first repeat; None where it was not asked for.
    """

    mean: float
    ci95: float | None
    values: list[float]
    clips: Band | None = None


class RoundTrip(NamedTuple):
    """What the generator's tokens or latents keep of the true motions: FID, and mean joint error over all poses."""

    fid: float
    mpjpe_m: float


@dataclass(frozen=True)
class GroupScores:
    """Numbers of one set of pairs.

    Attributes:
        pairs: how many.
        metrics: by name: ``real_diversity``, ``fid``, ``diversity`` and, where measured, ``multimodality`` and
            ``real_halves_fid``, of one half of the true motions to the other: what FID is where nothing differs.
        reconstruction: None for a generator without tokens or latents.
    """

    pairs: int
    metrics: dict[str, Summary]
    reconstruction: RoundTrip | None


def diversity_pairs(pairs: int, config: EvaluationConfig) -> int:
    """How many to draw for Diversity: as set, or the official 300 if there are more motions than that, else 13."""
    usual = OFFICIAL_DIVERSITY_PAIRS if pairs > OFFICIAL_DIVERSITY_PAIRS else FEW_DIVERSITY_PAIRS
    return min(config.diversity_pairs or usual, pairs)


def multimodality_pairs(config: EvaluationConfig) -> int:
    """Pairs of reactions to compare: as set, or as many as there are reactions."""
    return min(config.multimodality_pairs, config.multimodality_generations)


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
        scores["multimodality"] = multimodality(several, multimodality_pairs(config), repeat.rng)
    if len(rows) >= FEWEST_TO_HALVE:
        scores["real_halves_fid"] = fid(*halves(truth, repeat.rng))
    return scores


def halves(embeddings: Embeddings, rng: np.random.Generator) -> tuple[Embeddings, Embeddings]:
    """A random half of ``(n, d)``, and the other: ``(n // 2, d)`` and ``(n - n // 2, d)``."""
    order = rng.permutation(len(embeddings))
    half = len(embeddings) // 2
    return embeddings[order[:half]], embeddings[order[half:]]


def summarise(
    repeats: Sequence[Mapping[str, float]], config: EvaluationConfig, clips: Mapping[str, Band] | None = None
) -> dict[str, Summary]:
    """Mean, intervals and values of every metric, over the repeats in which it was measured."""
    values: dict[str, list[float]] = {}
    for scores in repeats:
        for name, value in scores.items():
            values.setdefault(name, []).append(value)
    interval = paper_interval if config.intervals == "paper" else student_interval
    return {
        name: Summary(*interval(measured), measured, (clips or {}).get(name))
        for name, measured in values.items()
    }


def over_clips(
    repeat: Repeat, real: Embedded, rows: Rows, clips: Sequence[Hashable], config: EvaluationConfig
) -> dict[str, Band]:
    """How far the metrics of one repeat depend on which clips are in the split: intervals by bootstrap.

    All of them are distances, so no interval reaches below 0.

    Args:
        repeat, real, rows, config: as of :func:`score`.
        clips: of every pair of the split; pairs of a clip are resampled together.
    """
    rng = np.random.default_rng([config.seed, config.repeats])
    truth, generated = real.embeddings[rows], repeat.reactions.embeddings[rows]

    def diversity_of(embeddings: Embeddings) -> float:  # always the same draw
        return diversity(embeddings, diversity_pairs(len(embeddings), config), np.random.default_rng(0))

    statistics: dict[str, Callable[[Rows], float]] = {
        "real_diversity": lambda chosen: diversity_of(truth[chosen]),
        "fid": lambda chosen: fid(truth[chosen], generated[chosen]),
        "diversity": lambda chosen: diversity_of(generated[chosen]),
    }
    of_rows = [clips[row] for row in rows]
    bands = {name: bootstrap(found, of_rows, config.bootstrap, rng) for name, found in statistics.items()}
    with_several = np.flatnonzero(np.isin(repeat.multimodality_rows, rows))
    if len(with_several):
        several = repeat.multimodality_embeddings[with_several]
        compared = draw_pairs(several.shape[1], multimodality_pairs(config), rng)
        bands["multimodality"] = bootstrap(
            lambda chosen: multimodality_at(several[chosen], *compared),
            [clips[row] for row in repeat.multimodality_rows[with_several]],
            config.bootstrap,
            rng,
        )
    return {name: Band(max(band.low, 0.0), band.high) for name, band in bands.items()}


def pose_errors(real: Sequence[Motion], rebuilt: Sequence[Motion]) -> list[NDArray[np.float64]]:
    """Mean joint error in metres of every pose, ``(n,)`` for each motion."""
    return [
        mpjpe(vectors_to_joints(true), vectors_to_joints(again))
        for true, again in zip(real, rebuilt, strict=True)
    ]


def round_trip(
    real: Embedded, rebuilt: Embedded, errors: Sequence[NDArray[np.float64]], rows: Rows
) -> RoundTrip:
    """Compare the true motions of a set of pairs with themselves after the round trip.

    ``errors`` are the :func:`pose_errors` of all pairs.
    """
    distance = fid(real.embeddings[rows], rebuilt.embeddings[rows])
    return RoundTrip(distance, float(np.concatenate([errors[row] for row in rows]).mean()))
