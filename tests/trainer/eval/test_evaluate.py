from collections import Counter

import numpy as np
import pytest
import torch

from hero_core.errors import InputError
from hero_core.minivimo.questions import QUESTIONS
from hero_core.models.base import Reactions
from hero_core.runs import load_evaluator, load_generator
from trainer.eval.baselines import KnownPairs
from trainer.eval.evaluate import evaluate
from trainer.eval.protocol import OfficialSwitches
from trainer.metrics import fid

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def samples(data):
    return data.held_out("test")


@pytest.fixture(scope="module")
def run_evaluation(run, samples):
    def run_one(config, generator=None, on=samples):
        generator = generator or load_generator(run, sampling=config.sampling_overrides())
        return evaluate(generator, load_evaluator(run)[0], on, config, CPU)

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
    assert set(metrics) == {"real_diversity", "fid", "diversity", "multimodality", "real_halves_fid"}
    for summary in metrics.values():
        assert len(summary.values) == short.repeats
        assert np.isfinite(summary.values).all()


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
