"""How trained runs react to MiniViMo clips of a seed that no setting was chosen on, beside what needs no model.

python -m benchmarks.fresh_clips demo/run --data demo/data
python -m benchmarks.fresh_clips FULL_1 FULL_2 FULL_3 --against NO_IIE_1 NO_IIE_2 NO_IIE_3 --seed 778 --clips 300
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from hero_core.cache import OK, Cache
from hero_core.errors import FingerprintError, InputError
from hero_core.minivimo.interactions import Asks
from hero_core.minivimo.questions import QUESTIONS
from hero_core.models.base import Generator
from hero_core.motion.format import whole_tokens
from hero_core.records import FeatureRecord, Pair
from hero_core.runs import LoadedRun, load_run
from hero_core.storage import write_json
from hero_core.training_set import Sample, TrainingSet
from pipeline.config import ExtractConfig
from pipeline.extract import extract
from pipeline.minivimo import write_minivimo
from pipeline.minivimo.write import PAIRS_FILE
from pipeline.react.encoder import load_run_encoder
from pipeline.sources import open_source
from trainer.eval.baselines import Baselines
from trainer.eval.controls import judge_controls
from trainer.eval.intervals import mean_over_clips, share_of, student_interval
from trainer.eval.plausibility import ROWS, PlausibilityCheck
from trainer.eval.tables import row_name
from trainer.reactions import Motion, react, reconstruct, torch_rng

BATCH_SIZE = 32
MODEL = "generated"
LEGEND = (
    "% of clips (95 % interval over clips), mean over runs; after ± half the 95 % interval over runs (Student's t), "
    "where there are several"
)

Right = NDArray[np.float64]  # (runs, clips, questions), NaN where a question does not apply


@dataclass(frozen=True)
class Results:
    """What the runs of a group got right.

    Attributes:
        right: by row of :data:`trainer.eval.plausibility.ROWS`.
        asks: of every clip, what it asks for.
    """

    right: Mapping[str, Right]
    asks: Sequence[str | None]

    @classmethod
    def of(cls, checks: Sequence[PlausibilityCheck]) -> "Results":
        """Of the runs' verdicts on the same clips."""
        names = [name for name in ROWS if all(name in check.judged for check in checks)]
        right = {name: np.stack([check.right(name) for check in checks]) for name in names}
        return cls(right, checks[0].asks)

    def by_asks(self) -> dict[str, Right]:
        """The model's, by what the clips ask for; ``sight`` holds MiniViMo's plain interactions alone."""
        kinds = np.array([asked or "" for asked in self.asks])
        found = {kind: self.right[MODEL][:, kinds == kind] for kind in get_args(Asks)}
        return {kind: right for kind, right in found.items() if right.shape[1]}


def main() -> None:
    """Draw, encode once, generate, judge, compare."""
    options = parse()
    groups = [options.runs, options.against] if options.against else [options.runs]
    with folder_for(options.cache) as folder:
        first = load_run(options.runs[0])
        clips = encoded_clips(first, options.seed, options.clips, folder, options.weights)
    baselines = fit_baselines(options.data, first) if options.data else None
    results = []
    for runs in groups:
        loaded = (load_same_features(run, first, options.sampling) for run in runs)
        checks = [judge_run(run.generator, clips, baselines, options.seed) for run in loaded]
        results.append(Results.of(checks))
    print(f"MiniViMo seed {options.seed}, {len(clips)} clips; {LEGEND}")
    for runs, found in zip(groups, results, strict=True):
        print(f"\n{', '.join(map(str, runs))}\n\n{tables(found)}")
    if options.against:
        print(f"\nthe first runs less those of --against\n\n{differences_table(*results)}")
    if options.out:
        write_json(options.out, as_json(options, groups, results))


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folder of hero-train")
    parser.add_argument(
        "--against", type=Path, nargs="+", default=[], metavar="RUN", help="runs to compare with"
    )
    parser.add_argument("--seed", type=int, default=777, help="of the clips; not one that made training data")
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--data", type=Path, help="training set of the runs: adds the rows fitted on it")
    parser.add_argument("--weights", type=Path, help="of the encoder, where it is TC-CLIP")
    parser.add_argument("--set", action="append", default=[], dest="sampling", metavar="NAME=VALUE")
    parser.add_argument("--cache", type=Path, help="keep the clips and their features here for other calls")
    parser.add_argument("--out", type=Path, help="write everything as JSON too")
    options = parser.parse_args()
    if options.against and len(options.against) != len(options.runs):
        parser.error("--against: name as many runs as before it, in the order of their training seeds")
    return options


@contextmanager
def folder_for(cache: Path | None) -> Iterator[Path]:
    """The cache, or a folder that is gone afterwards."""
    if cache is not None:
        yield cache
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def encoded_clips(run: LoadedRun, seed: int, count: int, folder: Path, weights: Path | None) -> list[Sample]:
    """The clips, encoded as the run's training features were, with their motions.

    Raises:
        InputError: a clip or a motion cannot be used.
    """
    written = folder / f"minivimo-{seed}-{count}"
    if not (written / PAIRS_FILE).is_file():
        write_minivimo(written, clips=count, seed=seed, motions_per_clip=1)
    encoder = load_run_encoder(run.data, weights)
    identity, source = encoder.identity, open_source(written)
    config = ExtractConfig(
        storage_dtype=identity.storage_dtype, batch_clips=identity.batch_clips, rotate=encoder.is_rotated
    )
    features = folder / f"features-{seed}-{count}-{identity.id}"
    extract(source, features, encoder.encoder, config)
    cache = Cache.open(features)
    rows = {kind: cache.rows(kind) for kind in ("features", "motions")}
    if bad := [row["path"] for each in rows.values() for row in each.values() if row["status"] != OK]:
        raise InputError(f"{features}: {len(bad)} clips or motions cannot be used, {bad[0]} among them")
    videos = {video.key: video for video in source.videos}
    paths = {motion.key: motion.relative for motion in source.motions}
    samples = []
    for pair in source.pairs:
        assert pair.video_key is not None  # MiniViMo has no motions of their own
        video, motion = videos[pair.video_key], cache.motion(rows["motions"][pair.motion_key]).vectors
        record = Pair(
            key=f"{video.key}--{pair.motion_key}",
            clip_key=video.key,
            motion_key=pair.motion_key,
            split="test",
            broad=video.broad,
            subcategory=video.subcategory,
            source_video=video.group,
            motion_path=paths[pair.motion_key],
            length=len(motion),
            truth=pair.truth,
        )
        samples.append(
            Sample(record, np.array(motion), _in_memory(cache.features(rows["features"][video.key])))
        )
    return samples


def load_same_features(run: Path, first: LoadedRun, sampling: Sequence[str]) -> LoadedRun:
    """A run that reads the same features as the first.

    Raises:
        FingerprintError: it was trained on others.
    """
    loaded = load_run(run, sampling=sampling)
    if loaded.data.get("features") != first.data.get("features"):
        raise FingerprintError(
            f"{run}: trained on other features than {first.folder}; compare runs on features of one making"
        )
    return loaded


def fit_baselines(data: Path, run: LoadedRun) -> Baselines:
    """What needs no model, fitted on the training part of ``data``.

    Raises:
        FingerprintError: its features are not those of the run.
        InputError: it knows no right answers.
    """
    known = TrainingSet(data)
    identity = None if known.identity is None else known.identity.model_dump(mode="json")
    if identity != run.data.get("features"):
        raise FingerprintError(f"{data}: holds other features than those that {run.folder} was trained on")
    fitted = Baselines.fit(known.train().with_video(), known.validation().with_video())
    if fitted is None:
        raise InputError(f"{data}: knows no right answers in train and val; leave --data out")
    return fitted


def judge_run(
    generator: Generator, clips: Sequence[Sample], baselines: Baselines | None, seed: int
) -> PlausibilityCheck:
    """Every row for one run. A reaction is as long as the clip's own motion, as far as the run can."""
    longest, device = whole_tokens(generator.max_length), torch.device("cpu")
    lengths = [min(whole_tokens(len(clip.motion)), longest) for clip in clips]
    check = PlausibilityCheck([clip.pair for clip in clips], lengths)
    videos = check.of_clips([clip.video for clip in clips])
    motions = check.of_clips([clip.motion[:length] for clip, length in zip(clips, lengths, strict=True)])
    lengths = check.of_clips(lengths)

    def answer(shown: Sequence[FeatureRecord], number: int) -> list[Motion]:
        return react(generator, shown, lengths, torch_rng([seed, number]), BATCH_SIZE, device)

    check.judge("real", motions)
    if (rebuilt := reconstruct(generator, motions, BATCH_SIZE, device)) is not None:
        check.judge("reconstruction", rebuilt)
    check.judge(MODEL, answer(videos, 0))
    judge_controls(
        check, videos, lambda shown, number: answer(shown, 1 + number), np.random.default_rng(seed)
    )
    if baselines is not None:
        baselines.judge(check, videos, lengths, seed)
    return check


def shares(right: Right) -> dict[str, dict[str, Any]]:
    """By question: mean share, intervals over clips and over runs, clips, and the share of every run."""
    found = {}
    for column, question in enumerate(QUESTIONS):
        applies = ~np.isnan(right[0, :, column])
        if not applies.any():
            continue
        answers = right[:, applies, column]  # (runs, clips)
        each = answers.mean(axis=1)
        found[question] = {
            **share_of(answers.mean(axis=0).tolist())._asdict(),
            "over_runs": student_interval(each).half_width,
            "runs": each.tolist(),
        }
    return found


def differences(first: Right, second: Right) -> dict[str, dict[str, Any]]:
    """By question: how much more the first runs get right, with intervals over clips and over pairs of runs."""
    found = {}
    for column, question in enumerate(QUESTIONS):
        more = first[:, :, column] - second[:, :, column]  # (runs, clips)
        more = more[:, ~np.isnan(more[0])]
        if more.shape[1]:
            found[question] = {
                "share": float(more.mean()),
                **mean_over_clips(more.mean(axis=0))._asdict(),
                "clips": more.shape[1],
                "over_runs": student_interval(more.mean(axis=1)).half_width,
                "runs": more.mean(axis=1).tolist(),
            }
    return found


def tables(results: Results) -> str:
    """All rows, then the model's by what the clips ask for."""
    rows = {row_name(name, "model"): shares(right) for name, right in results.right.items()}
    asks = {f"asks for {kind}": shares(right) for kind, right in results.by_asks().items()}
    return f"{_markdown('', rows)}\n\n{_markdown('model', asks)}"


def differences_table(first: Results, second: Results) -> str:
    """The model's rows of two groups, the first less the second."""
    kinds = second.by_asks()
    rows = {"all clips": differences(first.right[MODEL], second.right[MODEL])}
    rows |= {f"asks for {kind}": differences(right, kinds[kind]) for kind, right in first.by_asks().items()}
    return _markdown("difference", rows)


def as_json(
    options: argparse.Namespace, groups: Sequence[Sequence[Path]], results: Sequence[Results]
) -> dict[str, Any]:
    """Everything that is printed, with the share of every run."""
    described = [
        {
            "runs": [str(run) for run in runs],
            "rows": {name: shares(right) for name, right in found.right.items()},
            "asks": {kind: shares(right) for kind, right in found.by_asks().items()},
        }
        for runs, found in zip(groups, results, strict=True)
    ]
    values = {"seed": options.seed, "clips": options.clips, "sampling": options.sampling, "groups": described}
    if len(results) == 2:
        kinds = results[1].by_asks()
        values["differences"] = {
            "all": differences(results[0].right[MODEL], results[1].right[MODEL]),
            "asks": {kind: differences(right, kinds[kind]) for kind, right in results[0].by_asks().items()},
        }
    return values


def _in_memory(record: FeatureRecord) -> FeatureRecord:
    """A copy that outlives the folder of its shard, in the type that training reads."""
    frames, mean = (np.array(part, np.float32) for part in (record.frames, record.global_feature))
    return FeatureRecord(frames, mean, np.array(record.timestamps_seconds))


def _markdown(corner: str, rows: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    lines = [f"| {corner} | n | {' | '.join(QUESTIONS.values())} |", "|---" * (2 + len(QUESTIONS)) + "|"]
    for name, found in rows.items():
        cells = [_cell(found[question]) if question in found else "-" for question in QUESTIONS]
        lines.append(f"| {name} | {found['all']['clips']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(found: Mapping[str, Any]) -> str:
    text = f"{100 * found['share']:.1f} ({100 * found['low']:.0f} to {100 * found['high']:.0f})"
    return text if found["over_runs"] is None else f"{text} ± {100 * found['over_runs']:.1f}"


if __name__ == "__main__":
    main()
