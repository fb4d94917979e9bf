"""A generator and held-out pairs in, every number out."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from hero_core.errors import InputError
from hero_core.models.base import Generator
from hero_core.models.evaluator import MotionEvaluator
from hero_core.progress import Progress, silent
from hero_core.records import Pair
from hero_core.training_set import Sample
from trainer.eval.baselines import Baselines, KnownPairs
from trainer.eval.by_clip import ByClip
from trainer.eval.controls import judge_controls
from trainer.eval.pair_measures import PairMeasures
from trainer.eval.plausibility import Plausibility, PlausibilityCheck, subcategory_of
from trainer.eval.protocol import Evaluation, EvaluationConfig, Rows
from trainer.eval.scores import GroupScores, pose_errors
from trainer.eval.tally import Tally
from trainer.metrics import RankDeficientWarning

ALL = "all"


@dataclass(frozen=True)
class Result:
    """Everything that was measured.

    Attributes:
        groups: ``all`` pairs, then every broad category, then every subcategory as ``broad/subcategory``.
        plausibility: None where the data knows no right answers, or motions were cropped at random.
        embedding_dim: of the evaluator.
        pool: videos that R-precision finds the right one among; None where no evaluator embeds videos.
        by_clip: what comparing it with another one clip by clip takes.
    """

    groups: dict[str, GroupScores]
    plausibility: Plausibility | None
    embedding_dim: int
    pool: int | None
    by_clip: ByClip


def evaluate(
    generator: Generator,
    evaluator: MotionEvaluator,
    samples: Sequence[Sample],
    config: EvaluationConfig,
    device: torch.device,
    progress: Progress = silent,
    known: KnownPairs | None = None,
    joint_evaluator: MotionEvaluator | None = None,
    own: Sequence[Sample] | None = None,
) -> Result:
    """Generate and measure. On the CPU the same arguments give the same numbers.

    Args:
        generator: what reacts.
        evaluator: what embeds.
        samples: the held-out pairs.
        config: the protocol.
        device: where to compute.
        progress: told how many repeats and controls are done.
        known: pairs to fit the rows on that need no model; without them, these rows are absent.
        joint_evaluator: another one, which sees joints only; without it, its rows are absent.
        own: the same pairs with their own videos, which reactions are matched with, where ``samples`` show others.

    Raises:
        InputError: fewer than two pairs, features or lengths that the generator was not made for, or embeddings
            that are not finite.
    """
    evaluation = Evaluation(generator.to(device), evaluator.to(device), samples, config, device)
    _check_fit(generator, samples, max(evaluation.lengths))
    pairs = [sample.pair for sample in samples]
    clips = [pair.clip_key or pair.key for pair in pairs]
    groups = _rows_of_groups(pairs)
    cropped = config.official.random_crops  # then the onsets are not known
    check = PlausibilityCheck([] if cropped else pairs, [] if cropped else evaluation.lengths)
    joint_evaluator = joint_evaluator and joint_evaluator.to(device)
    measures = PairMeasures(evaluator, joint_evaluator, own or samples, config.batch_size, device)
    progress(0, config.repeats)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankDeficientWarning)  # the report says it once, with the counts
        real = measures.of(evaluation.embed(evaluation.real_motions()))
        check.judge("real", check.of_clips(real.embedded.motions))
        tally = Tally(real, groups, clips, config)
        for number in range(config.repeats):
            repeat = evaluation.repeat(number)
            fid = tally.add(repeat, measures.of(repeat.reactions))
            check.judge("generated", check.of_clips(repeat.reactions.motions))
            progress(number + 1, config.repeats, f"FID {fid:.3f}")
        rebuilt = evaluation.reconstruct(real.embedded.motions)
        if rebuilt is not None:
            check.judge("reconstruction", check.of_clips(rebuilt))
            errors = pose_errors(real.embedded.motions, rebuilt)
            tally.add_round_trip(measures.of(evaluation.embed(rebuilt)), errors)
    if check.rows:
        _judge_comparisons(check, evaluation, samples, config, known, progress)
    assert tally.first is not None
    by_clip = ByClip.of(pairs, real, tally.first, tally.values(), check)
    return Result(tally.groups(), check.result(), evaluator.config.embedding_dim, measures.pool, by_clip)


def _judge_comparisons(
    check: PlausibilityCheck,
    evaluation: Evaluation,
    samples: Sequence[Sample],
    config: EvaluationConfig,
    known: KnownPairs | None,
    progress: Progress,
) -> None:
    """The rows that keep the model's row honest, on the judged clips."""
    videos = [samples[row].video for row in check.rows]
    if config.controls:
        rng = np.random.default_rng([config.seed, config.repeats])
        judge_controls(check, videos, partial(evaluation.react_to, rows=check.rows), rng, progress)
    baselines = known and Baselines.fit(*known)
    if baselines:
        baselines.judge(check, videos, check.of_clips(evaluation.lengths), config.seed)


def _check_fit(generator: Generator, samples: Sequence[Sample], longest: int) -> None:
    width = samples[0].video.frames.shape[1]
    if width != generator.feature_dim:
        raise InputError(f"features of {width} values, but the model was made for {generator.feature_dim}")
    if longest > generator.max_length:
        raise InputError(
            f"reactions of up to {longest} frames to measure, but the model makes at most {generator.max_length}"
        )


def _rows_of_groups(pairs: Sequence[Pair]) -> dict[str, Rows]:
    """All pairs, and those of every broad category and of every subcategory that have at least two."""
    groups = {ALL: np.arange(len(pairs))}
    for names in ([pair.broad for pair in pairs], [subcategory_of(pair) for pair in pairs]):
        for name in sorted(set(names)):
            rows = np.flatnonzero(np.array(names) == name)
            if 2 <= len(rows) < len(pairs):
                groups[name] = rows
    return groups
