"""The numbers of one set of pairs: of every repeat, and over all of them."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hero_core.motion.humanml3d import vectors_to_joints
from trainer.eval.intervals import Band, bootstrap, mean_bands, paper_interval, student_interval
from trainer.eval.pair_measures import JOINT, Measured, PairValues, mean_over_repeats
from trainer.eval.protocol import Embedded, Embeddings, EvaluationConfig, Repeat, Rows
from trainer.metrics import (
    KernelTerms,
    diversity,
    draw_pairs,
    fid,
    kid,
    mpjpe,
    multimodality,
    multimodality_at,
)
from trainer.reactions import Motion

OFFICIAL_DIVERSITY_PAIRS = 300
FEW_DIVERSITY_PAIRS = 13
FEWEST_TO_HALVE = 4
"""Motions: FID needs two in each half."""
REAL = "real_"
"""Begins the names of metrics of the true motions alone."""
KID = "kid"
"""Ends the names of what alone is no distance, and may be negative."""


class Summary(NamedTuple):
    """One metric over all repeats.

    Attributes:
        mean: over the repeats.
        ci95: half width of the 95 % interval over repeats; None of a single one.
        values: in each repeat.
        clips: 95 % interval over the clips of the split, around the mean; None where it was not asked for.
    """

    mean: float
    ci95: float | None
    values: list[float]
    clips: Band | None = None


class BothSides(NamedTuple):
    """Embeddings ``(n, d)`` of the true motion of every pair, and of a reaction to it; and the pairs' clips."""

    real: Embeddings
    generated: Embeddings
    clips: Sequence[Hashable]

    def of(self, rows: Rows) -> "BothSides":
        """Of some pairs."""
        return BothSides(self.real[rows], self.generated[rows], [self.clips[row] for row in rows])


@dataclass(frozen=True)
class GroupScores:
    """Numbers of one set of pairs.

    Attributes:
        pairs: how many.
        metrics: by name: ``real_diversity``, ``fid``, ``kid``, ``diversity`` and, where measured, ``multimodality`` and
            ``real_halves_fid``, of one half of the true motions to the other; the
            same (``joint_fid``, ``real_joint_diversity``, ...) by the evaluator that sees joints; and the means of what
            pairs have values of, of the reactions (``skating_m_s``, ``r_precision_1``, ...) and of the true motions
            (``real_skating_m_s``, ...).
        reconstruction: of the true motions through the generator's tokens or latents and back: ``fid``, ``kid``,
            ``mpjpe_m``, the mean joint error over all poses, and as above; None for a generator without these.
    """

    pairs: int
    metrics: dict[str, Summary]
    reconstruction: dict[str, Summary] | None


def diversity_pairs(pairs: int, config: EvaluationConfig) -> int:
    """How many to draw for Diversity: as set, or the official 300 if there are more motions than that, else 13."""
    usual = OFFICIAL_DIVERSITY_PAIRS if pairs > OFFICIAL_DIVERSITY_PAIRS else FEW_DIVERSITY_PAIRS
    return min(config.diversity_pairs or usual, pairs)


def multimodality_pairs(config: EvaluationConfig) -> int:
    """Pairs of reactions to compare: as set, or as many as there are reactions."""
    return min(config.multimodality_pairs, config.multimodality_generations)


def score(
    repeat: Repeat, real: Embedded, rows: Rows, clips: Sequence[Hashable], config: EvaluationConfig
) -> dict[str, float]:
    """The metrics of one repeat.

    Args:
        repeat: what was generated for all pairs.
        real: the true motions of all pairs.
        rows: the pairs of the set.
        clips: of every pair of the split.
        config: how many are drawn.

    Returns:
        By name; no ``multimodality`` where no clip of the set got several reactions.

    Raises:
        InputError: fewer than two pairs, or embeddings that are not finite.
    """
    truth, generated = real.embeddings[rows], repeat.reactions.embeddings[rows]
    scores = embedding_scores(BothSides(truth, generated, [clips[row] for row in rows]), config, repeat.rng)
    several = repeat.multimodality_embeddings[np.isin(repeat.multimodality_rows, rows)]
    if len(several):
        scores["multimodality"] = multimodality(several, multimodality_pairs(config), repeat.rng)
    if len(rows) >= FEWEST_TO_HALVE:
        scores["real_halves_fid"] = fid(*halves(truth, repeat.rng))
    return scores


def embedding_scores(
    sides: BothSides, config: EvaluationConfig, rng: np.random.Generator, prefix: str = ""
) -> dict[str, float]:
    """FID, KID and Diversity of reactions, and Diversity of the true motions.

    ``prefix`` begins the names, after ``real_``.
    """
    drawn = diversity_pairs(len(sides.real), config)
    return {
        f"{REAL}{prefix}diversity": diversity(sides.real, drawn, rng),
        **distances(sides, prefix),
        f"{prefix}diversity": diversity(sides.generated, drawn, rng),
    }


def distances(sides: BothSides, prefix: str = "") -> dict[str, float]:
    """FID, and KID where the motions are of several clips."""
    found = {f"{prefix}fid": fid(sides.real, sides.generated)}
    return found | ({f"{prefix}kid": kid(*sides)} if len(set(sides.clips)) > 1 else {})


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


def pair_summaries(
    repeats: Sequence[PairValues], rows: Rows, clips: Sequence[Hashable], config: EvaluationConfig
) -> dict[str, Summary]:
    """The means over the pairs of a set of what each has a value of, without what applies to none of them.

    Args:
        repeats: values of every pair of the split in each repeat; one for motions that were made once.
        rows: the pairs of the set.
        clips: of every pair of the split.
        config: whether intervals over clips are asked for. They are those of each pair's mean over the repeats.
    """
    over_repeats = {name: values[rows] for name, values in mean_over_repeats(repeats).items()}
    names = [name for name, values in over_repeats.items() if np.isfinite(values).any()]
    bands: dict[str, Band] = {}
    if config.bootstrap and names:
        values = np.stack([over_repeats[name] for name in names])  # (m, k)
        bands = dict(zip(names, mean_bands(values, [clips[row] for row in rows]), strict=True))
    means = [_means({name: each[name][rows] for name in names}) for each in repeats]
    if len(repeats) > 1:
        return summarise(means, config, bands)
    return {name: Summary(mean, None, [mean], bands.get(name)) for name, mean in means[0].items()}


def _means(values: PairValues) -> dict[str, float]:
    """Of what applies to at least one pair."""
    return {name: float(np.nanmean(each)) for name, each in values.items() if np.isfinite(each).any()}


def over_clips(
    repeat: Repeat,
    real: Embedded,
    rows: Rows,
    clips: Sequence[Hashable],
    config: EvaluationConfig,
    joint: BothSides | None = None,
) -> dict[str, Band]:
    """How far the metrics of one repeat depend on which clips are in the split: by bootstrap, as :func:`bootstrap`.

    Args:
        repeat, real, rows, config: as of :func:`score`.
        clips: of every pair of the split; pairs of a clip are resampled together.
        joint: what the evaluator that sees joints makes of the true motions and of the reactions of all pairs.
    """
    rng = np.random.default_rng([config.seed, config.repeats])
    of_rows = [clips[row] for row in rows]
    sides = BothSides(real.embeddings, repeat.reactions.embeddings, clips)
    statistics = _statistics(sides.of(rows), config)
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
    if joint is not None:
        for name, found in _statistics(joint.of(rows), config, JOINT).items():
            bands[name] = bootstrap(found, of_rows, config.bootstrap, rng)
    return bands


def around_means(summaries: Mapping[str, Summary], spreads: Mapping[str, Band]) -> dict[str, Summary]:
    """Summaries with intervals over clips, from how far these move each metric; none of a distance is below 0."""
    found = dict(summaries)
    for name, spread in spreads.items():
        mean = summaries[name].mean
        low = mean + spread.low
        found[name] = summaries[name]._replace(
            clips=Band(low if name.endswith(KID) else max(low, 0.0), mean + spread.high)
        )
    return found


def _statistics(
    sides: BothSides, config: EvaluationConfig, prefix: str = ""
) -> dict[str, Callable[[Rows], float]]:
    """The metrics of :func:`embedding_scores` as functions of rows, which may come several times."""
    truth, generated, clips = sides
    several = len(set(clips)) > 1  # which KID takes
    kid_of = {f"{prefix}kid": KernelTerms.of(truth, generated, clips).mean} if several else {}

    def diversity_of(embeddings: Embeddings) -> float:  # always the same draw
        return diversity(embeddings, diversity_pairs(len(embeddings), config), np.random.default_rng(0))

    return {
        f"{REAL}{prefix}diversity": lambda chosen: diversity_of(truth[chosen]),
        f"{prefix}fid": lambda chosen: fid(truth[chosen], generated[chosen]),
        **kid_of,
        f"{prefix}diversity": lambda chosen: diversity_of(generated[chosen]),
    }


def pose_errors(real: Sequence[Motion], rebuilt: Sequence[Motion]) -> list[NDArray[np.float64]]:
    """Mean joint error in metres of every pose, ``(n,)`` for each motion."""
    return [
        mpjpe(vectors_to_joints(true), vectors_to_joints(again))
        for true, again in zip(real, rebuilt, strict=True)
    ]


def round_trip(
    real: Measured,
    rebuilt: Measured,
    errors: Sequence[NDArray[np.float64]],
    rows: Rows,
    clips: Sequence[Hashable],
) -> dict[str, Summary]:
    """Compare the true motions of a set of pairs with themselves after the round trip.

    Args:
        real, rebuilt: of all pairs.
        errors: the :func:`pose_errors` of all pairs.
        rows, clips: as of :func:`pair_summaries`.
    """
    measured = {"mpjpe_m": float(np.concatenate([errors[row] for row in rows]).mean())}
    for prefix, true, again in (
        ("", real.embedded.embeddings, rebuilt.embedded.embeddings),
        (JOINT, real.joint, rebuilt.joint),
    ):
        if true is not None and again is not None:
            measured |= distances(BothSides(true, again, clips).of(rows), prefix)
    return {name: Summary(value, None, [value]) for name, value in measured.items()}
