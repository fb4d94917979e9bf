"""A run and a data set in; its result, written with what belongs to it, out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hero_core.models.evaluator import MotionEvaluator
from hero_core.progress import Progress, silent
from hero_core.records import FeatureRecord
from hero_core.storage import write_json
from hero_core.training_set import Sample
from trainer.eval.evaluate import Result, evaluate
from trainer.eval.plausibility import can_shuffle, shuffled
from trainer.eval.report import Subject, control_json, result_json

RESULT = Path("eval") / "result.json"
"""Where a run has the numbers that hero-eval metrics wrote."""

CONTROL = "control"
"""Where a result of a table has the numbers of the reactions to the features of other clips."""


def measure(
    subject: Subject,
    evaluator: MotionEvaluator,
    report: Progress = silent,
    joint_evaluator: MotionEvaluator | None = None,
) -> Result:
    """Every number of a run; see :func:`trainer.eval.evaluate.evaluate`."""
    return evaluate(
        subject.run.generator,
        evaluator,
        subject.samples,
        subject.config,
        subject.device,
        report,
        subject.known,
        joint_evaluator,
    )


def write_result(path: Path, result: Result, subject: Subject, **more: Any) -> None:
    """Write a result, and last, so that it is there only when all is, its JSON."""
    result.by_clip.save(path)
    write_json(path, {**result_json(result, subject), **more})


def shuffled_control(
    subject: Subject, evaluator: MotionEvaluator, joint_evaluator: MotionEvaluator | None = None
) -> Mapping[str, Any] | None:
    """What one reaction to the features of another clip scores in the place of one to the clip's own, as JSON.

    What is as good here cannot tell whether the model looks at the video at all. None where there is one clip only.
    """
    config = subject.config.model_copy(
        update={"repeats": 1, "controls": False, "bootstrap": 0, "multimodality_clips": 0}
    )
    samples = of_other_clips(subject.samples, config.seed)
    if samples is None:
        return None
    result = evaluate(
        subject.run.generator,
        evaluator,
        samples,
        config,
        subject.device,
        joint_evaluator=joint_evaluator,
        own=subject.samples,
    )
    return control_json(result, config)


def of_other_clips(samples: Sequence[Sample], seed: int) -> list[Sample] | None:
    """The pairs, each with the features of another clip: where the right answers are known, of another answer.

    None where all are of one clip.
    """
    rng = np.random.default_rng([seed, 0])
    videos: dict[str | None, FeatureRecord] = {}
    first: dict[str | None, Sample] = {}
    for sample in samples:
        videos.setdefault(sample.pair.clip_key, sample.video)
        first.setdefault(sample.pair.clip_key, sample)
    if len(first) < 2:
        return None
    truths = [sample.pair.truth for sample in first.values()]
    known = [truth for truth in truths if truth is not None]
    if len(known) == len(truths) and can_shuffle(known):
        other = shuffled(known, rng)
    else:
        order = rng.permutation(len(first))
        other = np.empty(len(first), np.int64)
        other[order] = np.roll(order, 1)  # everyone gets that of the next one
    clips = list(videos)
    of = {clip: videos[clips[place]] for clip, place in zip(clips, other.tolist(), strict=True)}
    return [replace_features(sample, of[sample.pair.clip_key]) for sample in samples]


def replace_features(sample: Sample, features: FeatureRecord) -> Sample:
    """The same pair with other features, at the times of its own."""
    times = sample.video.timestamps_seconds
    return sample._replace(features=replace(features, timestamps_seconds=times))
