"""What was measured, with which weights and on which data: checked, and written as ``result.json``."""

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import torch

from hero_core.choices import EVALUATOR, JOINT_EVALUATOR, Which
from hero_core.config import parse_config
from hero_core.device import device_name
from hero_core.errors import FingerprintError, InputError
from hero_core.fingerprint import FeatureIdentity, differences
from hero_core.models.checkpoint import Origin
from hero_core.runs import LoadedRun
from hero_core.training_set import Samples, TrainingSet
from hero_core.versions import library_versions
from trainer.eval.baselines import KnownPairs
from trainer.eval.choices import HeldOutSplit
from trainer.eval.evaluate import ALL, Result
from trainer.eval.plausibility import ROWS, Answers, Plausibility, is_subcategory
from trainer.eval.protocol import OFFICIAL_SAMPLING, EvaluationConfig
from trainer.eval.scores import KID, REAL, GroupScores, Summary, diversity_pairs
from trainer.eval.tables import row_name
from trainer.metrics import is_rank_deficient

SCHEMA = "evaluation/5"
SMALL_SET = 100
PAPER_REPEATS = 20
_NOTED = ("seed", "step", "epoch", "best", "imported_from", "source_sha256")


def require_same_features(run: LoadedRun, data: TrainingSet) -> None:
    """Refuse to show a run other features than it was trained on.

    Raises:
        FingerprintError: they were made in another way; says in what they differ.
    """
    for name, origin in run.origins.items():
        part = run.generator.parts[name]
        recorded = _trained_on(origin).get("features")
        if part.trained_on != "pairs" or recorded is None or data.identity is None:
            continue
        identity = parse_config(FeatureIdentity, recorded, str(origin.path))
        if wrong := differences(identity, data.identity):
            raise FingerprintError(
                f"{origin.path}: trained on features made in another way than those of {data.folder} "
                f"({'; '.join(wrong)}); extract this data as the run's was, or train on this data"
            )


def held_out(data: TrainingSet, split: HeldOutSplit) -> Samples:
    """The pairs of a split that can be reacted to.

    Raises:
        InputError: none of its pairs has a video and a motion of at least one token.
    """
    samples = data.held_out(split)
    if not samples:
        raise InputError(
            f"{data.folder}: no pair of the {split} split has a video and a motion of at least one "
            "token, so there is nothing to react to; build-pairs with videos, or choose another --split"
        )
    return samples


@dataclass(frozen=True)
class Subject:
    """What is measured, and how.

    Attributes:
        checkpoint: of the run's parts.
        evaluator: where the weights that embed come from.
        joint_evaluator: where those come from that embed joints only; None without them.

    Raises:
        FingerprintError: when made, if the run was trained on features of another making; says in what they differ.
    """

    run: LoadedRun
    checkpoint: Which
    evaluator: Origin
    data: TrainingSet
    split: HeldOutSplit
    config: EvaluationConfig
    device: torch.device
    joint_evaluator: Origin | None = None

    def __post_init__(self) -> None:
        require_same_features(self.run, self.data)

    @cached_property
    def samples(self) -> Samples:
        """The pairs to measure on.

        Raises:
            InputError: the split is empty, or none of its pairs has a video and a motion of at least one token.
        """
        samples = held_out(self.data, self.split)
        return samples.unique_clips() if self.config.pairs == "first" else samples

    def remarks(self) -> list[str]:
        """What a reader of the numbers must know of the weights and their data."""
        found: list[str] = []
        elsewhere: dict[str, list[str]] = {}
        for name, origin in self.run.origins.items():
            recorded = _trained_on(origin)
            if not recorded:
                found.append(f"{name}: imported weights, which do not say what data they were trained on")
            elif recorded["fingerprint"] != self.data.fingerprint:
                elsewhere.setdefault(_name(recorded), []).append(name)
        for other, names in elsewhere.items():
            found.append(
                f"{', '.join(names)}: trained on {other}, but measured on {_name(self.data.facts())}; whether they "
                "have clips in common is not checked"
            )
        if _trained_on(self.evaluator):
            found.append(
                "the evaluator was trained by hero-train: compare only with numbers of the same evaluator"
            )
        for name, evaluator in ((EVALUATOR, self.evaluator), (JOINT_EVALUATOR, self.joint_evaluator)):
            recorded = {} if evaluator is None else _trained_on(evaluator)
            if recorded and recorded["fingerprint"] != self.data.fingerprint:
                found.append(f"the {name} was trained on other data: {_name(recorded)}")
        metadata = {name: origin.metadata for name, origin in self.run.origins.items()}
        if chosen := [name for name, noted in metadata.items() if noted.get("selection") == "official-test"]:
            found.append(
                f"{', '.join(chosen)}: checkpoint chosen on the test split, as the official release does"
            )
        return found

    @property
    def known(self) -> KnownPairs:
        """What the rows that need no model are fitted on."""
        return KnownPairs.of(self.data)

    def official_settings(self) -> list[str]:
        """Which quirks of the official evaluation are on."""
        quirks = [f"official.{name}" for name, on in self.config.official.model_dump().items() if on]
        sampling = self.run.generator.sampling
        return quirks + [
            f"sampling.{name}"
            for name, value in OFFICIAL_SAMPLING.items()
            if getattr(sampling, name, None) == value
        ]

    def statements(self) -> list[str]:
        """What this data set is, and what made its features."""
        facts = self.data.facts()
        return [str(facts[name]) for name in ("statement", "encoder_statement") if facts[name]]


def result_json(result: Result, subject: Subject) -> dict[str, Any]:
    """Everything as JSON: numbers, settings, seeds, fingerprints, statements, counts, notes."""
    config = subject.config.model_dump(mode="json")
    sampling = subject.run.generator.sampling.model_dump(mode="json")
    return {
        "schema": SCHEMA,
        "statements": subject.statements(),
        "notes": notes(result, subject),
        "data": {**_data_json(subject.data.facts()), "split": subject.split},
        "counts": _counts(subject),
        "run": {
            "folder": str(subject.run.folder),
            "generator": subject.run.generator.kind,
            "checkpoint": subject.checkpoint,
            "trained_on": _data_json(subject.run.data) if subject.run.data else None,
            **{name: _origin_json(origin) for name, origin in subject.run.origins.items()},
        },
        "evaluator": {**_origin_json(subject.evaluator), "embedding_dim": result.embedding_dim},
        "joint_evaluator": None if subject.joint_evaluator is None else _origin_json(subject.joint_evaluator),
        "r_precision_pool": result.pool,
        "device": device_name(subject.device),
        "versions": {**library_versions(), "python": platform.python_version()},
        "config": {**config, "sampling": sampling},
        "official_settings": subject.official_settings(),
        "metrics": {name: _group_json(group, subject.config) for name, group in result.groups.items()},
        "plausibility": None
        if result.plausibility is None
        else _plausibility_json(result.plausibility, subject.run.generator.kind.upper()),
    }


def control_json(result: Result, config: EvaluationConfig) -> dict[str, Any]:
    """The numbers alone, of reactions to the features of other clips.

    Without KID, which leaves out that a reaction is like its own clip's motion: these are like that of another clip,
    which is in the set, so it would come out far below 0.
    """
    judged = None if result.plausibility is None else result.plausibility.answers["generated"]
    group = _group_json(result.groups[ALL], config)
    generated = {name: value for name, value in group["generated"].items() if not name.endswith(KID)}
    return {
        "metrics": {ALL: {**group, "generated": generated}},
        "plausibility": None if judged is None else {"generated": _answers_json(judged)},
    }


def notes(result: Result, subject: Subject) -> list[str]:
    """What limits the numbers."""
    found, config = [], subject.config
    deficient, small = [], []
    for name, group in result.groups.items():
        if is_subcategory(name):
            continue  # all of them are small
        if is_rank_deficient(group.pairs, result.embedding_dim):
            deficient.append(f"{name} (n = {group.pairs})")
        elif group.pairs < SMALL_SET:
            small.append(f"{name} (n = {group.pairs})")
    if deficient:
        found.append(
            f"FID is rank-deficient, with no more motions than the {result.embedding_dim} embedding values, so compare "
            f"it only with FIDs on the same motions: {', '.join(deficient)}"
        )
    if small:
        found.append(f"FID on fewer than {SMALL_SET} motions is biased upwards: {', '.join(small)}")
    counts = _counts(subject)
    if skipped := counts["skipped_without_video"]:
        found.append(f"{skipped} motions left out: without a video")
    if skipped := counts["skipped_shorter_than_one_token"]:
        found.append(f"{skipped} pairs left out: motions shorter than one token")
    if others := counts["left_out_not_first_of_clip"]:
        found.append(f"{others} pairs left out: only the first pair of every clip is measured")
    if official := subject.official_settings():
        found.append(f"official quirks on: {', '.join(official)}")
    if config.repeats < PAPER_REPEATS:
        found.append(f"{config.repeats} repeats, where the paper's protocol has {PAPER_REPEATS}")
    if config.official.random_crops and any(row.pair.truth for row in subject.samples.rows):
        found.append("plausibility not judged: randomly cropped motions have no known onset")
    found += _about_evaluators(result, subject)
    found += _about_intervals(config)
    if result.plausibility is not None and "classifier" not in result.plausibility.answers:
        found.append("no rows fitted on training clips: the right answers there, or in val, are not known")
    elif result.plausibility is not None and subject.split == "val":
        found.append("the classifier's penalty was chosen on the clips measured here")
    return found + subject.remarks()


def _about_evaluators(result: Result, subject: Subject) -> list[str]:
    found, metrics = [], result.groups[ALL].metrics
    if result.pool is not None:
        found.append(
            f"R-precision: the motion's own clip among {result.pool}, the others of the whole split and without those "
            "of the same motion; the mean over all such pools, so that nothing of it is chance"
        )
    train = f"hero-train NAME {subject.data.folder} --out ANOTHER_RUN"
    if "mm_distance" not in metrics:
        found.append(
            f"no R-precision: {subject.evaluator.path} cannot embed these videos, being imported, made by an earlier "
            f"version, or trained on other features; {train.replace('NAME', EVALUATOR)} makes one that "
            "can, for --evaluator"
        )
    if subject.joint_evaluator is None:
        found.append(
            "no numbers of an evaluator that sees joints only, which the run does not have: "
            f"{train.replace('NAME', JOINT_EVALUATOR)} makes one, for --joint-evaluator"
        )
    return found


def _about_intervals(config: EvaluationConfig) -> list[str]:
    over_repeats = {"paper": "1.96 std / sqrt(n), as published,", "student": "Student's t"}[config.intervals]
    found = [
        f"± : {over_repeats} over the {config.repeats} repeats on the same clips; it does not cover which clips are in "
        "the split"
    ]
    if config.bootstrap:
        found.append(
            f"over clips: as wide as {config.bootstrap} resamples of the clips spread the first repeat, around the "
            "mean; it does not cover other training seeds"
        )
    return found


def _counts(subject: Subject) -> dict[str, int]:
    in_split = [row.pair for row in subject.data.rows if row.pair.split == subject.split]
    pairs = [row.pair for row in subject.samples.rows]
    without_video = sum(pair.clip_key is None for pair in in_split)
    usable = len(subject.data.held_out(subject.split))
    return {
        "pairs": len(pairs),
        "clips": len({pair.clip_key for pair in pairs}),
        "motions": len({pair.motion_key for pair in pairs}),
        "skipped_without_video": without_video,
        "skipped_shorter_than_one_token": len(in_split) - without_video - usable,
        "left_out_not_first_of_clip": usable - len(pairs),
    }


def _trained_on(origin: Origin) -> Mapping[str, Any]:
    """What a checkpoint notes of its training data; empty where it notes nothing."""
    return origin.metadata.get("data") or {}


def _name(facts: Mapping[str, Any]) -> str:
    return f"{facts.get('name')} ({facts['fingerprint']})"


def _data_json(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: facts.get(name) for name in ("name", "fingerprint", "protocol", "features")}


def _origin_json(origin: Origin) -> dict[str, Any]:
    noted = {name: origin.metadata[name] for name in _NOTED if name in origin.metadata}
    fingerprint = _trained_on(origin).get("fingerprint")
    return {"file": str(origin.path), "sha256": origin.sha256, "data_fingerprint": fingerprint, **noted}


def _group_json(group: GroupScores, config: EvaluationConfig) -> dict[str, Any]:
    metrics = {name: _summary_json(summary) for name, summary in group.metrics.items()}
    trip = group.reconstruction
    real = {name.removeprefix(REAL): metrics.pop(name) for name in list(metrics) if name.startswith(REAL)}
    return {
        "pairs": group.pairs,
        "diversity_pairs": diversity_pairs(group.pairs, config),
        "real": real,
        "reconstruction": None
        if trip is None
        else {name: _summary_json(summary) for name, summary in trip.items()},
        "generated": metrics,
    }


def _plausibility_json(plausibility: Plausibility, model: str) -> dict[str, Any]:
    rows = {
        name: {"row": row_name(name, model), "explanation": ROWS[name].explanation, **_answers_json(answers)}
        for name, answers in plausibility.answers.items()
    }
    asks = {name: _answers_json(answers) for name, answers in plausibility.asks.items()}
    categories = {name: _answers_json(answers) for name, answers in plausibility.categories.items()}
    return {**rows, "uniform": plausibility.uniform, "asks": asks, "categories": categories}


def _summary_json(summary: Summary) -> dict[str, Any]:
    return summary._asdict() | {"clips": summary.clips and summary.clips._asdict()}


def _answers_json(answers: Answers) -> dict[str, Any]:
    return asdict(answers) | {"shares": {name: share._asdict() for name, share in answers.shares.items()}}
