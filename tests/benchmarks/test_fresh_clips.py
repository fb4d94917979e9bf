import json
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks import fresh_clips
from benchmarks.fresh_clips import (
    Results,
    as_json,
    differences,
    differences_table,
    encoded_clips,
    fit_baselines,
    judge_run,
    load_same_features,
    shares,
    tables,
)
from hero_core.errors import FingerprintError
from hero_core.minivimo.judge import SHORTEST_FRAMES
from hero_core.models.base import Reactions
from hero_core.motion.format import MAX_FRAMES, MOTION_DIM
from hero_core.motion.humanml3d import joints_to_vectors
from hero_core.records import FeatureRecord, Pair
from hero_core.training_set import Sample
from pipeline.encoders import load_encoder
from pipeline.fingerprint import feature_identity
from pipeline.minivimo import make_motion, sample_clip
from trainer.eval.baselines import Baselines

SEED, CLIPS = 5, 40


def make_clip(index: int, variant: int = 0) -> Sample:
    """A made clip with its motion; its features are random numbers."""
    plan = sample_clip(SEED, index)
    vectors = joints_to_vectors(make_motion(plan, variant))
    pair = Pair(
        key=f"clip{index}",
        clip_key=f"clip{index}",
        motion_key=f"motion{index}-{variant}",
        split="test",
        broad=plan.interaction.broad,
        subcategory=plan.interaction.name,
        source_video=f"clip{index}.mp4",
        motion_path=f"motion{index}.npy",
        length=len(vectors),
        truth=plan.truth(variant),
    )
    frames = np.random.default_rng(index).normal(size=(16, 8)).astype(np.float32)
    return Sample(pair, vectors, FeatureRecord.of(frames, np.arange(16) / 8))


@pytest.fixture(scope="module")
def clips() -> list[Sample]:
    return [make_clip(index) for index in range(CLIPS)]


class Perfect:
    """Reacts with the true motion to the very frames of a clip, and with that of the likest clip to others."""

    max_length = MAX_FRAMES

    def __init__(self, clips):
        self.frames = torch.from_numpy(np.stack([clip.video.frames for clip in clips]))
        self.motions = [clip.motion for clip in clips]
        self.batches: list[list[int]] = []

    def generate(self, condition, lengths, rng):
        self.batches.append(lengths.tolist())
        made = torch.zeros(len(lengths), int(lengths.max()), MOTION_DIM)
        for row, (frames, length) in enumerate(zip(condition.frames, lengths.tolist(), strict=True)):
            motion = self.motions[int((self.frames - frames).abs().sum(dim=(1, 2)).argmin())]
            made[row, :length] = torch.from_numpy(np.resize(motion, (length, MOTION_DIM)))
        return Reactions(made, lengths)

    def reconstruct(self, motion, lengths):
        return motion


def test_a_perfect_generator_is_right_and_its_controls_are_not(clips):
    generator = Perfect(clips)
    results = Results.of([judge_run(generator, clips, None, seed=1)])
    found = {name: shares(right) for name, right in results.right.items()}
    assert list(found) == [
        "real",
        "reconstruction",
        "generated",
        "one_frame",
        "reversed",
        "shuffled",
        "other_clip",
    ]
    for name in ("real", "reconstruction", "generated"):
        assert found[name]["all"]["share"] >= 0.95  # whole tokens cut up to 3 frames off
    for name in ("one_frame", "reversed", "shuffled"):
        assert found[name]["all"]["share"] < 0.3, name
    assert (
        found["other_clip"]["reaction"]["share"] <= 0.1
    )  # a motion of another length may look like anything
    assert all(lengths == sorted(lengths) and len(lengths) <= 32 for lengths in generator.batches)
    assert len(generator.batches) == 5 * -(-CLIPS // 32)


def test_the_fitted_rows_stand_beside_it(clips):
    baselines = Baselines.fit([make_clip(index, variant=1) for index in range(CLIPS)], clips)
    results = Results.of([judge_run(Perfect(clips), clips, baselines, seed=1)])
    assert list(results.right)[-3:] == ["classifier", "nearest", "constant"]
    assert shares(results.right["constant"])["reaction"]["share"] < 0.4
    assert (
        shares(results.right["nearest"])["reaction"]["share"] > 0.9
    )  # the same clips with another motion each


def test_what_clips_ask_adds_up(clips):
    results = Results.of([judge_run(Perfect(clips), clips, None, seed=1)])
    kinds = results.by_asks()
    assert sum(right.shape[1] for right in kinds.values()) == CLIPS
    plain = [index for index in range(CLIPS) if sample_clip(SEED, index).interaction.asks == "sight"]
    assert kinds["sight"].shape[1] == len(plain)


def test_several_runs_have_intervals_over_clips_and_over_runs():
    right = np.zeros((2, 100, 4))
    right[0, :60], right[1, :80] = 1, 1
    right[:, 90:, 1] = np.nan  # without a side
    found = shares(right)
    assert found["reaction"]["share"] == pytest.approx(0.7)
    assert found["reaction"]["runs"] == [0.6, 0.8]
    assert found["reaction"]["over_runs"] == pytest.approx(12.7062 * 0.1, abs=1e-3)
    assert found["reaction"]["low"] < 0.7 < found["reaction"]["high"]
    assert found["side"]["clips"] == 90
    assert shares(right[:1])["reaction"]["over_runs"] is None


def test_differences_are_paired_over_clips():
    """Runs that fail on the same clips differ surely by little; runs that fail anywhere do not."""
    rng = np.random.default_rng(0)
    second = np.repeat(rng.integers(0, 2, (1, 200, 1)), 3, axis=0).astype(float) * np.ones(4)
    first = second.copy()
    first[:, np.flatnonzero(second[0, :, 0] == 0)[:20]] = 1
    paired = differences(first, second)["all"]
    assert paired["share"] == pytest.approx(0.1)
    assert paired["over_runs"] == pytest.approx(0, abs=1e-12)
    assert 0.05 < paired["low"] < 0.1 < paired["high"] < 0.15
    unpaired = differences(first[:, rng.permutation(200)], second)["all"]
    assert unpaired["high"] - unpaired["low"] > 1.5 * (paired["high"] - paired["low"])


def test_tables_and_json_hold_every_row(clips):
    first, second = (Results.of([judge_run(Perfect(clips), clips, None, seed=seed)]) for seed in (1, 2))
    shown = tables(first)
    for name in ("true reactions", "model, one frame only", "model, another clip", "asks for sight"):
        assert f"| {name} |" in shown
    assert "| all clips | 40 | 0.0 (0 to 0)" in differences_table(first, second)
    options = Namespace(seed=SEED, clips=CLIPS, sampling=[])
    values = json.loads(json.dumps(as_json(options, [[Path("a")], [Path("b")]], [first, second])))
    assert [group["runs"] for group in values["groups"]] == [["a"], ["b"]]
    assert values["differences"]["all"]["all"]["share"] == 0
    assert set(values["differences"]["asks"]) == set(first.by_asks())


@pytest.fixture(scope="module")
def mini_run():
    """Of a run on features of the mini encoder, what says so."""
    encoder = load_encoder("mini", None, torch.device("cpu"))
    features = feature_identity(encoder, "float32", batch_clips=1, rotate=False).model_dump(mode="json")
    return SimpleNamespace(folder=Path("run"), data={"features": features, "encoder_statement": "mini"})


def test_clips_are_encoded_once_for_all_calls(mini_run, tmp_path, monkeypatch):
    first = encoded_clips(mini_run, SEED, 2, tmp_path, None)
    assert [clip.pair.truth.reaction for clip in first] == [
        sample_clip(SEED, index).truth(0).reaction for index in sorted_by_key(first)
    ]
    assert all(len(clip.motion) >= SHORTEST_FRAMES for clip in first)

    def refuse(*arguments, **options):
        raise AssertionError("made again")

    monkeypatch.setattr(fresh_clips, "write_minivimo", refuse)
    monkeypatch.setattr("pipeline.encoders.Encoder.encode", refuse)
    second = encoded_clips(mini_run, SEED, 2, tmp_path, None)
    for one, other in zip(first, second, strict=True):
        assert one.pair == other.pair
        assert np.array_equal(one.video.frames, other.video.frames)


def sorted_by_key(clips: list[Sample]) -> list[int]:
    """The numbers of the clips, read from their files' names."""
    return [int(clip.pair.motion_path.split("_")[1]) for clip in clips]


def test_runs_and_data_of_other_features_are_refused(mini_run, monkeypatch):
    other = SimpleNamespace(folder=Path("other"), data={"features": {"encoder": "another"}})
    monkeypatch.setattr(fresh_clips, "load_run", lambda run, sampling: other)
    with pytest.raises(FingerprintError, match="trained on other features than run"):
        load_same_features(Path("other"), mini_run, [])
    monkeypatch.setattr(fresh_clips, "TrainingSet", lambda folder: SimpleNamespace(identity=None))
    with pytest.raises(FingerprintError, match="holds other features"):
        fit_baselines(Path("data"), mini_run)


def test_groups_to_compare_are_of_one_size(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["fresh_clips", "a", "b", "--against", "c"])
    with pytest.raises(SystemExit):
        fresh_clips.parse()
    assert "as many runs" in capsys.readouterr().err
