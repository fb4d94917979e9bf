"""A page of held-out reactions beside the true ones: what a run does, one clip at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from hero_core.choices import EVALUATOR
from hero_core.exports import export
from hero_core.minivimo.judge import Verdict
from hero_core.models.base import Generator, VideoFeatures
from hero_core.models.evaluator import MotionEvaluator
from hero_core.models.explanation import Explained, explain
from hero_core.motion.format import FPS, FRAMES_PER_TOKEN
from hero_core.motion.humanml3d import vectors_to_joints
from hero_core.progress import Progress, silent
from hero_core.records import FeatureRecord
from hero_core.runs import LoadedRun, checkpoint_path, load_evaluator
from hero_core.storage import read_json
from hero_core.training_set import Sample, Samples, TrainingSet
from hero_core.view.document import Document, File, ShownMotion, ShownSample, ShownTable
from hero_core.view.played import played_video
from trainer.eval.choices import HeldOutSplit
from trainer.eval.gallery.one_by_one import METRICS, embedded_apart, numbers_of
from trainer.eval.gallery.tables import result_tables, shown_table
from trainer.eval.plausibility import judge_motion
from trainer.eval.report import SCHEMA, held_out, require_same_features
from trainer.reactions import Motion, react, torch_rng

BATCH = 32


@dataclass(frozen=True)
class RunReactions:
    """One reaction of a generator to each of some clips, and what it looked at."""

    name: str
    motions: Sequence[Motion]
    explained: Sequence[Explained]


def gallery(
    runs: Sequence[LoadedRun],
    data: TrainingSet,
    split: HeldOutSplit,
    count: int,
    seed: int,
    device: torch.device,
    videos: Path | None = None,
    report: Progress = silent,
) -> Document:
    """The page of a run, the first one, with others beside it.

    Args:
        runs: at least one.
        data: whose clips are reacted to.
        split: its held-out part.
        count: clips at most.
        seed: of the choice of clips and of the reactions.
        device: where to compute.
        videos: folder that the data's videos lie in, to show them too.
        report: told how many reactions are ready.

    Raises:
        FingerprintError: a run was trained on features of another making.
        InputError: nothing to react to.
    """
    for run in runs:
        require_same_features(run, data)
    samples = choose(held_out(data, split), count, seed)
    names = [run.generator.kind.upper() if index == 0 else run.folder.name for index, run in enumerate(runs)]
    shown = [
        reactions_of(name, run.generator, samples, seed, device)
        for name, run in zip(names, runs, strict=True)
    ]
    evaluator = _evaluator(runs[0].folder)
    made = shown_samples(samples, shown, evaluator, device, videos, report)
    facts = data.facts()
    notes = [str(facts[name]) for name in ("statement", "encoder_statement") if facts[name]]
    notes.append(f"Reactions and clips are drawn by seed {seed}; each is one of many that the run can give.")
    folders = ", ".join(str(run.folder) for run in runs)
    return Document(
        title=f"{names[0]}: reactions to held-out clips of {facts['name']}",
        subtitle=f"{len(made)} clips of the {split} split, beside the true motions, by {folders}",
        samples=made,
        notes=notes,
        metrics=METRICS,
        tables=[shown_table(made), *_measured(runs[0].folder, data, names[0])],
    )


def _evaluator(folder: Path) -> MotionEvaluator | None:
    """Of the run, where one was trained."""
    return load_evaluator(folder)[0] if checkpoint_path(folder, EVALUATOR).is_file() else None


def _measured(folder: Path, data: TrainingSet, name: str) -> list[ShownTable]:
    """What ``hero-eval metrics`` wrote of this run on this data, if it did."""
    path = folder / "eval" / "result.json"
    if not path.is_file():
        return []
    result = read_json(path)
    if result.get("schema") != SCHEMA or result["data"]["fingerprint"] != data.fingerprint:
        return []
    return result_tables(result, name)


def choose(samples: Samples, count: int, seed: int) -> list[Sample]:
    """At most so many pairs, one of each clip, drawn by the seed and in the order of the data."""
    clips = samples.unique_clips()
    rows = np.random.default_rng([seed]).permutation(len(clips))[:count]
    return [clips[row] for row in sorted(rows.tolist())]


def reactions_of(
    name: str, generator: Generator, samples: Sequence[Sample], seed: int, device: torch.device
) -> RunReactions:
    """React to every clip, at the length of its true reaction."""
    generator.to(device)
    videos = [sample.video for sample in samples]
    lengths = [len(sample.motion) // FRAMES_PER_TOKEN * FRAMES_PER_TOKEN for sample in samples]
    motions = react(generator, videos, lengths, torch_rng([seed]), BATCH, device)
    explained: list[Explained] = []
    for start in range(0, len(samples), BATCH):
        condition = VideoFeatures.of(videos[start : start + BATCH]).to(device)
        explained += explain(generator, condition, motions[start : start + BATCH])
    return RunReactions(name, motions, explained)


def shown_samples(
    samples: Sequence[Sample],
    shown: Sequence[RunReactions],
    evaluator: MotionEvaluator | None,
    device: torch.device,
    videos: Path | None = None,
    report: Progress = silent,
) -> list[ShownSample]:
    """What the gallery shows of every clip: the first run's reaction, with its numbers, the truth, the other runs'.

    Args:
        samples: of every clip, with its true reaction.
        shown: of every run, reactions to all of them.
        evaluator: embeds motions; None leaves the distance of embeddings out.
        device: where to embed.
        videos: folder that the data's videos lie in, to show them too.
        report: told how many are ready.
    """
    true = [sample.motion for sample in samples]
    own = shown[0].motions
    apart = None if evaluator is None else embedded_apart(evaluator.to(device), own, true, device)
    made = []
    for row, sample in enumerate(samples):
        verdict = judge_motion(own[row])
        truth = sample.pair.truth
        distance = None if apart is None else float(apart[row])
        made.append(
            ShownSample(
                key=sample.pair.key,
                title=sample.pair.subcategory.replace("_", " "),
                category=sample.pair.broad,
                facts=_facts(sample, own[row], verdict),
                metrics=numbers_of(own[row], true[row], truth, verdict, distance),
                motions=_motions(sample, shown, row),
                video=None if videos is None else played_video(videos, sample.pair.source_video),
                sampled_seconds=_seconds(sample.video),
                moment_seconds=truth.onset_seconds if truth is not None and truth.moves else None,
            )
        )
        report(row + 1, len(samples))
    return made


def _motions(sample: Sample, shown: Sequence[RunReactions], row: int) -> list[ShownMotion]:
    first, *others = shown
    files = partial(_files, sample.pair.clip_key or sample.pair.key)
    motions = [
        ShownMotion.of_vectors(
            run.name,
            run.motions[row],
            "generated" if run is first else "other",
            run.explained[row],
            files(run.name, run.motions[row]),
        )
        for run in (first, *others)
    ]
    motions.insert(1, ShownMotion.of_vectors("Truth", np.asarray(sample.motion), "truth"))
    return motions


def _files(clip: str, name: str, motion: Motion) -> list[File]:
    safe = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
    with TemporaryDirectory() as folder:
        exported = export(vectors_to_joints(motion), Path(folder) / f"{clip}-{safe}.bvh")
        return [File(exported.path.name, exported.path.read_bytes(), "text/plain")]


def _facts(sample: Sample, motion: Motion, verdict: Verdict) -> list[tuple[str, str]]:
    facts = [("Clip", sample.pair.source_video), ("Reaction", f"{len(motion)} frames at {FPS} fps")]
    if (truth := sample.pair.truth) is not None:
        facts.append(("Right answer", _words(truth.reaction, truth.side, truth.onset_seconds)))
        facts.append(("Judged as", _words(verdict.reaction, verdict.side, verdict.onset_seconds)))
    return facts


def _words(reaction: str, side: str, onset_seconds: float) -> str:
    words = [reaction.replace("_", " "), "" if side == "none" else side]
    words.append(f"from {onset_seconds:.2f} s" if onset_seconds > 0 else "")
    return ", ".join(filter(None, words))


def _seconds(features: FeatureRecord) -> list[float]:
    seconds: list[float] = features.timestamps_seconds.tolist()
    return seconds
