from dataclasses import replace

import numpy as np
import pytest

from hero_core.minivimo.judge import judge
from hero_core.motion.humanml3d import vectors_to_joints
from hero_core.records import FeatureRecord, Truth
from hero_core.training_set import Sample
from pipeline.minivimo import make_motion, sample_clip
from trainer.eval.baselines import Baselines, Constant, KnownClips, Ridge, Scaler, cut_or_hold
from trainer.eval.plausibility import PlausibilityCheck

CATCH = Truth("catch", "left", 1.0)
BOW = Truth("bow", "none", 2.0)
STAND = Truth("stand", "none", 0.0)
DIM = 12


@pytest.fixture(scope="module")
def vectors(entries):
    return entries[0][1]


@pytest.fixture(scope="module")
def sample(entries, vectors):
    def make(clip, truth, feature, motion=vectors):
        frames = np.tile(np.asarray(feature, np.float32), (4, 1))
        name = f"clip{clip}"
        pair = replace(
            entries[0][0], key=f"{name}--{id(motion)}", clip_key=name, truth=truth, length=len(motion)
        )
        return Sample(pair, motion, FeatureRecord.of(frames, np.arange(4.0)))

    return make


@pytest.fixture(scope="module")
def separable(entries):
    """Samples of made clips whose global feature says reaction and side, among noise, in this order of splits."""
    rng = np.random.default_rng(0)
    labels = sorted({(pair.truth.reaction, pair.truth.side) for pair, _ in entries})
    directions = rng.normal(size=(len(labels), 40))
    samples = []
    for pair, motion in entries:
        centre = directions[labels.index((pair.truth.reaction, pair.truth.side))]
        frames = (centre + rng.normal(scale=0.1, size=(4, 40))).astype(np.float32)
        samples.append(Sample(pair, motion, FeatureRecord.of(frames, np.arange(4.0))))
    return samples


def test_the_constant_is_what_is_commonest_in_training_not_in_the_clips_that_are_measured():
    constant = Constant.fit([CATCH, replace(CATCH, onset_seconds=1.4), CATCH, BOW, STAND])
    assert (constant.each.reaction, constant.each.side) == ("catch", "left")
    assert constant.each.onset_seconds == pytest.approx(1.2)  # near enough to 1.0 and 1.4
    assert constant.together == replace(constant.each, onset_seconds=constant.together.onset_seconds)
    measured = [BOW, replace(CATCH, side="right", onset_seconds=1.2), STAND]
    np.testing.assert_equal(
        constant.rightness(measured),
        [[0, np.nan, 0, 0], [1, 0, 1, 0], [0, np.nan, np.nan, 0]],
    )


def test_the_best_answer_to_everything_may_be_another_than_those_to_each_question():
    """Catching is commonest, but at any time; bowing comes always at 2 s."""
    spread = [replace(CATCH, onset_seconds=seconds) for seconds in (1.0, 3.0, 5.0, 7.0)]
    constant = Constant.fit([*spread, BOW, BOW, BOW])
    assert constant.each.reaction == "catch"
    assert constant.each.onset_seconds == 2
    assert (constant.together.reaction, constant.together.onset_seconds) == ("bow", 2)
    assert constant.rightness([BOW])[0].tolist()[2:] == [1, 1]


def test_nothing_but_the_penalty_comes_from_validation(sample):
    rng = np.random.default_rng(0)
    train = [sample(clip, truth, rng.normal(size=DIM)) for clip, truth in enumerate([BOW, BOW, STAND])]
    val = [sample(clip, CATCH, rng.normal(size=DIM)) for clip in range(9)]
    fitted = Baselines.fit(train, val)
    assert fitted.constant == Constant.fit([BOW, BOW, STAND])
    assert fitted.ridge.labels == [("bow", "none"), ("stand", "none")]


def test_standing_needs_no_onset():
    constant = Constant.fit([STAND, STAND, BOW])
    assert constant.together.reaction == "stand"
    assert constant.rightness([STAND])[0, 3] == 1


def test_the_classifier_finds_separable_classes():
    rng = np.random.default_rng(0)
    labels = [("catch", "left"), ("catch", "right"), ("bow", "none")] * 30
    centres = {label: rng.normal(size=DIM) for label in set(labels)}
    made = [centres[label] + rng.normal(scale=0.2, size=DIM) for label in labels]
    features = np.array(made)
    scaler = Scaler.fit(features[:45])
    scaled = scaler(features)
    ridge = Ridge.fit(scaled[:45], labels[:45], scaled[45:60], labels[45:60])
    assert ridge(scaled[60:]) == labels[60:]


def test_the_penalty_is_the_one_that_is_best_on_validation():
    """As many noisy values as clips: with little penalty the noise is fitted, so much is chosen, which does better."""
    rng = np.random.default_rng(0)
    labels = [("catch", "left"), ("catch", "right")] * 600
    features = rng.normal(size=(1200, 60))
    features[:, 0] += np.where(np.arange(1200) % 2, 1.0, -1.0)
    features = Scaler.fit(features[:60])(features)
    train, val, test = slice(60), slice(60, 600), slice(600, None)

    def fit(chosen_on):
        return Ridge.fit(features[train], labels[train], features[chosen_on], labels[chosen_on])

    def hits(ridge):
        return np.mean([a == b for a, b in zip(ridge(features[test]), labels[test], strict=True)])

    chosen = fit(val)
    assert chosen.penalty > 10
    least = replace(chosen, weights=np.linalg.lstsq(features[train], _one_hot(labels[train]), rcond=None)[0])
    assert hits(chosen) > hits(least) + 0.05


def _one_hot(labels):
    classes = sorted(set(labels))
    return np.array([[label == one for one in classes] for label in labels], float) - 1 / len(classes)


def test_a_value_that_never_changes_is_left_out():
    features = np.random.default_rng(0).normal(size=(9, 3))
    features[:, 1] = 5
    assert np.all(Scaler.fit(features)(np.full((1, 3), 7.0))[:, 1] == 0)


def test_clips_count_once_and_motions_of_unknown_answers_never(sample, vectors):
    samples = [
        sample(0, BOW, np.ones(DIM)),
        sample(0, replace(BOW, onset_seconds=2.2), np.ones(DIM), vectors[:40]),
        sample(1, None, np.zeros(DIM)),
        sample(2, Truth("dance", "none", 1.0), np.zeros(DIM)),
    ]
    known = KnownClips.of(samples)
    assert known.features.shape == (1, DIM)
    assert (known.places, known.lengths) == ([0, 1], [len(vectors), 40])
    assert Baselines.fit(samples[2:], samples) is None
    assert Baselines.fit(samples, samples[2:]) is None


def test_a_motion_is_cut_or_holds_its_last_pose(vectors):
    assert np.array_equal(cut_or_hold(vectors, 20), vectors[:20])
    long = cut_or_hold(vectors, len(vectors) + 12)
    joints = vectors_to_joints(long)
    np.testing.assert_allclose(joints[: len(vectors)], vectors_to_joints(vectors))
    assert np.ptp(joints[len(vectors) :], axis=0).max() < 1e-9  # at rest, also on the floor


def test_the_motion_that_loses_least_is_taken(sample, vectors):
    motions = [vectors[:length] + np.float32(row) for row, length in enumerate((40, 44, 48, 44))]
    known = KnownClips.of([sample(0, BOW, np.ones(DIM), motion) for motion in motions])
    rng = np.random.default_rng(0)
    drawn = [known.motion(range(4), 41, rng) for _ in range(20)]
    of = [row for motion in drawn for row in range(4) if np.array_equal(motion, motions[row][:41])]
    assert len(of) == 20
    assert set(of) == {1, 3}
    assert np.array_equal(known.motion(range(4), 48, rng), motions[2])
    held = known.motion(range(4), 60, rng)
    assert np.array_equal(held[:48], motions[2])


def test_features_that_say_the_answer_give_it(separable):
    """Fitted and asked on the same clips: the class is right, and the nearest clip is the clip itself."""
    fitted = Baselines.fit(separable, separable)
    lengths = [len(sample.motion) for sample in separable]
    check = PlausibilityCheck([sample.pair for sample in separable], lengths)
    videos = check.of_clips([sample.video for sample in separable])
    fitted.judge(check, videos, check.of_clips(lengths), seed=0)
    answers = check.result().answers
    assert list(answers) == ["classifier", "nearest", "constant"]
    assert answers["nearest"].shares["all"].share == 1
    assert answers["classifier"].shares["reaction"].share > 0.8  # some end before they begin
    assert answers["constant"].shares["onset"].share < 0.9
    assert answers["constant"].shares["reaction"].share < 0.3
    assert answers["constant"].confusion == {}
    again = PlausibilityCheck([sample.pair for sample in separable], lengths)
    fitted.judge(again, videos, again.of_clips(lengths), seed=0)
    assert again.result() == check.result()


def test_the_classs_motion_is_of_the_class(separable):
    fitted = Baselines.fit(separable, separable)
    videos = [sample.video for sample in separable]
    longest = max(len(sample.motion) for sample in separable)
    for sample, motion in zip(
        separable, fitted.by_class(videos, [longest] * len(videos), np.random.default_rng(0)), strict=True
    ):
        assert judge(vectors_to_joints(motion)).reaction == sample.pair.truth.reaction


def test_made_clips_are_what_the_fixture_says():
    assert judge(make_motion(sample_clip(1, 0), 0)).reaction == sample_clip(1, 0).truth(0).reaction
