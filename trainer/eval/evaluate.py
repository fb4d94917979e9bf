"""A run and held-out data in, every number out."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hero_core.errors import InputError
from hero_core.models.evaluator import MotionEvaluator
from hero_core.models.hero import Hero
from trainer.eval.held_out import HeldOutData
from trainer.eval.metrics import RankDeficientWarning
from trainer.eval.plausibility import Panel, Plausibility, shuffled
from trainer.eval.protocol import Evaluation, EvaluationConfig
from trainer.eval.scores import Group, GroupScores, References, reconstruct

ALL = "all"
ReportProgress = Callable[[int, int, str], None]


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
    hero: Hero,
    evaluator: MotionEvaluator,
    data: HeldOutData,
    config: EvaluationConfig,
    device: torch.device,
    report: ReportProgress = lambda done, total, note: None,
) -> Result:
    """Generate and measure. On the CPU the same arguments give the same numbers.

    Raises:
        InputError: fewer than two pairs, features of another size than the model's, or embeddings not finite.
    """
    samples = [pair.sample for pair in data.pairs]
    _check_features(hero, data)
    evaluation = Evaluation(
        hero.to(device), evaluator.to(device), samples, config, data.padded_frames, device
    )
    real = evaluation.real_motions()
    rebuilt = reconstruct(hero.codec, real, device)
    panel = Panel([], []) if config.official.random_crops else Panel(data.pairs, evaluation.lengths)
    references = References(real, evaluation.embed(real), rebuilt, evaluation.embed(rebuilt))
    groups = {name: Group(references, rows, config) for name, rows in _rows_of_groups(data).items()}
    total = config.repeats + config.control_repeats * bool(panel.rows)
    report(0, total, "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankDeficientWarning)  # the report says it once, with the counts
        for number, repeat in enumerate(evaluation.repeats(), 1):
            for group in groups.values():
                group.add(repeat)
            panel.judge("generated", repeat.motions)
            report(number, total, groups[ALL].note())
        scores = {name: group.scores() for name, group in groups.items()}
    for number in range(total - config.repeats):
        _judge_control(panel, evaluation, len(samples), config, number)
        report(config.repeats + number + 1, total, "control")
    panel.judge("real", real)
    panel.judge("reconstruction", rebuilt)
    return Result(scores, panel.result(), evaluator.config.embedding_dim)


def _check_features(hero: Hero, data: HeldOutData) -> None:
    found, expected = data.pairs[0].sample.frames.shape[1], hero.masked.config.feature_dim
    if found != expected:
        raise InputError(f"{data.folder}: features of {found} values, but the model was made for {expected}")


def _rows_of_groups(data: HeldOutData) -> dict[str, NDArray[np.int64]]:
    """All pairs, and those of every broad category that has at least two."""
    broad = np.array([pair.pair.broad for pair in data.pairs])
    groups = {ALL: np.arange(len(broad))}
    for name in sorted(set(broad.tolist())):
        rows = np.flatnonzero(broad == name)
        if 2 <= len(rows) < len(broad):
            groups[name] = rows
    return groups


def _judge_control(
    panel: Panel, evaluation: Evaluation, pairs: int, config: EvaluationConfig, number: int
) -> None:
    """Judge reactions to the features of clips that want another reaction, if there are enough of those."""
    other = shuffled(panel.truths, np.random.default_rng([config.seed, number]))
    if other is None:
        return
    rows = np.array(panel.rows)
    condition_of: NDArray[np.int64] = np.arange(pairs)
    condition_of[rows] = rows[other]
    panel.judge("control", evaluation.generate_with(condition_of, number))
