from collections import Counter

import numpy as np
import pytest
import torch

from hero_core.errors import InputError
from hero_core.minivimo.questions import QUESTIONS
from hero_core.models.base import Reactions
from hero_core.motion.physics import Physics
from hero_core.runs import EVALUATORS, load_evaluator, load_generator
from trainer.eval.baselines import KnownPairs
from trainer.eval.evaluate import evaluate
from trainer.eval.protocol import OfficialSwitches
from trainer.metrics import fid

CPU = torch.device("cpu")
MATCHING = ("r_precision_1", "r_precision_2", "r_precision_3", "mm_distance")
OF_PAIRS = {*Physics._fields, *MATCHING, *(f"joint_{name}" for name in MATCHING)}
"""Metrics that are means of values of pairs."""


@pytest.fixture(scope="module")
def samples(data):
    return data.held_out("test")


@pytest.fixture(scope="module")
def run_evaluation(run, samples):
    def run_one(config, generator=None, on=samples):
        generator = generator or load_generator(run, sampling=config.sampling_overrides())
        evaluator, joints = (load_evaluator(run, name)[0] for name in EVALUATORS)
        return evaluate(generator, evaluator, on, config, CPU, joint_evaluator=joints)

    return run_one


def test_measures_all_pairs_and_every_category(result, samples):
    broad = [name for name in result.groups if "/" not in name]
    assert broad == ["all", "animal-human", "human-human", "scene-human"]
    assert result.groups["all"].pairs == len(samples)
    assert sum(result.groups[name].pairs for name in broad[1:]) == len(samples)
    of_subcategories = {name: group.pairs for name, group in result.groups.items() if "/" in name}
    counts = Counter(f"{sample.pair.broad}/{sample.pair.subcategory}" for sample in samples)
    assert of_subcategories == {name: count for name, count in sorted(counts.items()) if count >= 2}


def test_what_is_kept_of_every_clip_is_what_the_numbers_are_made_of(result, samples):
    kept = result.by_clip
    assert kept.pairs.tolist() == [sample.pair.key for sample in samples]
    assert fid(kept.real, kept.generated) == pytest.approx(result.groups["all"].metrics["fid"].values[0])
    right = np.nanmean(kept.right, axis=0)
    shares = result.plausibility.answers["generated"].shares
    assert right.tolist() == pytest.approx([shares[question].share for question in QUESTIONS])


def test_every_metric_has_a_value_for_each_repeat(result, short):
    metrics = result.groups["all"].metrics
    drawn = {"real_diversity", "fid", "kid", "diversity", "multimodality", "real_halves_fid"}
    by_joints = {"real_joint_diversity", "joint_fid", "joint_kid", "joint_diversity"}
    assert set(metrics) == drawn | by_joints | OF_PAIRS | {f"real_{name}" for name in OF_PAIRS}
    for name, summary in metrics.items():
        once = name.startswith("real_") and name not in drawn | by_joints
        assert len(summary.values) == (1 if once else short.repeats)
        assert np.isfinite(summary.values).all()
    over_clips = {name for name, summary in metrics.items() if summary.clips is not None}
    assert over_clips == set(metrics) - {"real_halves_fid"}
    assert set(result.groups["all"].reconstruction) == {
        *("fid", "kid", "mpjpe_m", "joint_fid", "joint_kid"),
        *OF_PAIRS,
    }
    of_subcategory = next(group for name, group in result.groups.items() if "/" in name)
    assert not set(of_subcategory.metrics) & (by_joints | OF_PAIRS)


def test_r_precision_is_that_of_the_clips_that_there_are(result):
    assert result.pool == 18
    metrics = result.groups["all"].metrics
    for prefix in ("", "joint_"):
        tops = [metrics[f"{prefix}r_precision_{top}"].mean for top in (1, 2, 3)]
        assert 0 <= tops[0] <= tops[1] <= tops[2] < 0.6  # random weights


def test_what_is_kept_of_every_pair_has_the_means_that_are_shown(result):
    kept, metrics = result.by_clip, result.groups["all"].metrics
    assert set(kept.metrics.tolist()) == OF_PAIRS
    for name, values in zip(kept.metrics.tolist(), kept.values, strict=True):
        assert np.nanmean(values) == pytest.approx(metrics[name].mean)
    assert fid(kept.joint_real, kept.joint_generated) == pytest.approx(metrics["joint_fid"].values[0])


def test_without_videos_and_joints_their_rows_are_absent(run, samples, short, echo):
    evaluator = load_evaluator(run)[0]
    evaluator.forget_videos()
    result = evaluate(echo(), evaluator, samples, short, CPU)
    assert result.pool is None
    metrics = set(result.groups["all"].metrics)
    assert {"fid", "kid", "skating_m_s"} <= metrics
    assert not any(word in name for name in metrics for word in ("joint", "r_precision", "mm_distance"))
    assert result.by_clip.joint_real.shape == (len(samples), 0)


def test_reactions_to_other_videos_are_matched_with_their_own(run, samples, short, echo):
    """A generator that ignores the video scores the same whatever it is shown."""
    first, others = list(samples), list(samples)[::-1]
    shown = [mine._replace(features=other.features) for mine, other in zip(first, others, strict=True)]
    evaluator = load_evaluator(run)[0]

    def distance(on, own=None):
        class Same(echo):
            def generate(self, condition, lengths, rng):
                return super().generate(condition.map(torch.zeros_like), lengths, rng)

        found = evaluate(Same(), evaluator, on, short, CPU, own=own)
        return found.groups["all"].metrics["mm_distance"].mean

    assert distance(shown, first) == pytest.approx(distance(first))
    assert distance(shown) != pytest.approx(distance(first))


def test_the_same_seed_gives_the_same_numbers(result, run_evaluation, short):
    again = run_evaluation(short)
    assert again.groups == result.groups
    rows = result.plausibility.answers
    assert all(rows[name] == answers for name, answers in again.plausibility.answers.items())


CONTROLS = {"one_frame", "reversed", "shuffled", "other_clip"}
FITTED = {"classifier", "nearest", "constant"}


def test_plausibility_stands_beside_every_row_that_keeps_it_honest(result, short):
    answers = result.plausibility.answers
    assert set(answers) == {"real", "reconstruction", "generated"} | CONTROLS | FITTED
    assert answers["generated"].reactions == short.repeats
    assert all(answers[name].reactions == 1 for name in CONTROLS | FITTED)
    assert {share.clips for row in answers.values() for share in [row.shares["reaction"]]} == {18}
    assert answers["real"].shares["reaction"].share > 0.9  # whole tokens cut up to 3 frames off
    assert answers["generated"].shares["reaction"].share < 0.5  # random weights
    assert sum(kind.shares["all"].clips for kind in result.plausibility.asks.values()) == 18


def test_a_generator_without_tokens_and_without_training_clips_is_measured_too(run_evaluation, short, echo):
    result = run_evaluation(short, echo())
    assert result.groups["all"].reconstruction is None
    assert set(result.plausibility.answers) == {"real", "generated"} | CONTROLS
    assert result.groups["all"].metrics["multimodality"].mean == pytest.approx(0, abs=1e-5)


def test_controls_and_intervals_over_clips_can_be_left_out(run_evaluation, short, echo):
    result = run_evaluation(short.model_copy(update={"controls": False, "bootstrap": 0}), echo())
    assert set(result.plausibility.answers) == {"real", "generated"}
    assert result.groups["all"].metrics["fid"].clips is None


def test_the_constant_is_fitted_on_training_pairs_alone(run, data, short, echo):
    """Where training holds one reaction only, that is the constant, whatever is commonest in the test part."""
    train = data.train()
    kept = [
        row for row in range(len(train)) if train[row].pair.truth.reaction == train[0].pair.truth.reaction
    ]
    samples = data.held_out("test")
    known = KnownPairs([train[row] for row in kept], data.validation())
    result = evaluate(echo(), load_evaluator(run)[0], samples, short, CPU, known=known)
    truths = {row.pair.clip_key: row.pair.truth.reaction for row in samples.rows}
    expected = np.mean([reaction == train[0].pair.truth.reaction for reaction in truths.values()])
    assert result.plausibility.answers["constant"].shares["reaction"].share == pytest.approx(expected)


def test_a_model_that_repeats_the_truth_has_no_distance_from_it(run_evaluation, short, echo, samples):
    class Knows(echo):
        """Finds the true motion by the video."""

        def generate(self, condition, lengths, rng):
            truth = {float(sample.video.frames[0, 0]): sample.motion for sample in samples}
            first = condition.frames[:, 0, 0].tolist()
            motions = [truth.get(value, samples[0].motion) for value in first]  # controls show other frames
            made = torch.zeros(len(lengths), 200, 263)
            for row, (motion, length) in enumerate(zip(motions, lengths, strict=True)):
                made[row, :length] = torch.from_numpy(np.resize(motion, (int(length), 263)))
            return Reactions(made, lengths)

    first = samples.rows[0].pair.clip_key
    single = [sample for sample in samples if sample.pair.clip_key != first]  # one clip has two reactions
    result = run_evaluation(short, Knows(), single)
    assert result.groups["all"].metrics["fid"].mean == pytest.approx(0, abs=1e-6)
    assert result.plausibility.answers["generated"].shares == result.plausibility.answers["real"].shares
    assert result.plausibility.answers["other_clip"].shares["reaction"].share == 0


def test_reactions_may_have_lengths_of_their_own(run_evaluation, short, echo):
    told: list[bool] = []

    class Brief(echo):
        """Stops after two tokens, fewer frames than the judge takes, unless it is told how long."""

        stops_by_itself = chooses_length = True

        def generate(self, condition, lengths, rng):
            told.append(lengths is not None)
            own = torch.full((len(condition.frames),), 8)
            return super().generate(condition, own if lengths is None else lengths, rng)

    result = run_evaluation(short, Brief())
    assert set(told) == {False}
    assert result.plausibility.answers["generated"].reactions == short.repeats
    run_evaluation(short.model_copy(update={"lengths": "true"}), Brief())
    assert set(told) == {False, True}


def test_what_the_model_was_not_made_for_is_refused(run_evaluation, short, echo):
    wide, brief = echo(), echo()
    wide.feature_dim, brief.max_length = 16, 40
    with pytest.raises(InputError, match="features of 8 values, but the model was made for 16"):
        run_evaluation(short, wide)
    with pytest.raises(InputError, match="the model makes at most 40"):
        run_evaluation(short, brief)


def test_cropped_motions_are_not_judged(run_evaluation, short):
    update = {"official": OfficialSwitches(random_crops=True), "repeats": 1}
    assert run_evaluation(short.model_copy(update=update)).plausibility is None
