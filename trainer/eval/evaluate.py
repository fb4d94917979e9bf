"""A generator and held-out pairs in, every number out."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hero_core.errors import InputError
from hero_core.models.base import Generator
from hero_core.models.evaluator import MotionEvaluator
from hero_core.progress import Progress, silent
from hero_core.records import Pair
from hero_core.training_set import Sample
from trainer.eval.metrics import RankDeficientWarning
from trainer.eval.plausibility import Plausibility, PlausibilityCheck, can_shuffle
from trainer.eval.protocol import Evaluation, EvaluationConfig, Rows
from trainer.eval.scores import GroupScores, RoundTrip, round_trip, score, summarise

ALL = "all"


@dataclass(frozen=True)
class Result:
    """Everything that was measured.

    Attributes:
        groups: ``all`` pairs, then every broad category.
        plausibility: None where the data knows no right answers, or motions were cropped at random.
        embedding_dim: of the evaluator.
    """

    groups: dict[str, GroupScores]
    plausibility: Plausibility | None
    embedding_dim: int


def evaluate(
    generator: Generator,
    evaluator: MotionEvaluator,
    samples: Sequence[Sample],
    config: EvaluationConfig,
    device: torch.device,
    progress: Progress = silent,
) -> Result:
    """Generate and measure. On the CPU the same arguments give the same numbers.

    Raises:
        InputError: fewer than two pairs, features or lengths that the generator was not made for, or embeddings
            that are not finite.
    """
    evaluation = Evaluation(generator.to(device), evaluator.to(device), samples, config, device)
    _check_fit(generator, samples, max(evaluation.lengths))
    pairs = [sample.pair for sample in samples]
    groups = _rows_of_groups(pairs)
    cropped = config.official.random_crops  # then the onsets are not known
    check = PlausibilityCheck([] if cropped else pairs, [] if cropped else evaluation.lengths)
    total = config.repeats + (config.control_repeats if can_shuffle(check.truths) else 0)
    scores: dict[str, list[dict[str, float]]] = {name: [] for name in groups}
    progress(0, total)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankDeficientWarning)  # the report says it once, with the counts
        real = evaluation.embed(evaluation.real_motions())
        check.judge("real", real.motions)
        for number in range(config.repeats):
            repeat = evaluation.repeat(number)
            for name, rows in groups.items():
                scores[name].append(score(repeat, real, rows, config))
            check.judge("generated", repeat.reactions.motions)
            progress(number + 1, total, f"FID {scores[ALL][-1]['fid']:.3f}")
        for number in range(total - config.repeats):
            others = check.other_clips(len(pairs), np.random.default_rng([config.seed, number]))
            check.judge("control", evaluation.react_to_others(others, number))
            progress(config.repeats + number + 1, total, "control")
        rebuilt = evaluation.reconstruct(real.motions)
        trips: dict[str, RoundTrip] = {}
        if rebuilt is not None:
            check.judge("reconstruction", rebuilt)
            embedded = evaluation.embed(rebuilt)
            trips = {name: round_trip(real, embedded, rows) for name, rows in groups.items()}
    measured = {
        name: GroupScores(len(rows), summarise(scores[name]), trips.get(name))
        for name, rows in groups.items()
    }
    return Result(measured, check.result(), evaluator.config.embedding_dim)


def _check_fit(generator: Generator, samples: Sequence[Sample], longest: int) -> None:
    width = samples[0].video.frames.shape[1]
    if width != generator.feature_dim:
        raise InputError(f"features of {width} values, but the model was made for {generator.feature_dim}")
    if longest > generator.max_length:
        raise InputError(
            f"reactions of up to {longest} frames to measure, but the model makes at most {generator.max_length}"
        )


def _rows_of_groups(pairs: Sequence[Pair]) -> dict[str, Rows]:
    """All pairs, and those of every broad category that has at least two."""
    broad = np.array([pair.broad for pair in pairs])
    groups = {ALL: np.arange(len(broad))}
    for name in sorted(set(broad.tolist())):
        rows = np.flatnonzero(broad == name)
        if 2 <= len(rows) < len(broad):
            groups[name] = rows
    return groups
