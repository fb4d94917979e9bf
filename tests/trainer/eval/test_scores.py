import numpy as np
import pytest

from trainer.eval.intervals import Band, paper_interval, student_interval
from trainer.eval.pair_measures import Measured
from trainer.eval.protocol import Embedded, EvaluationConfig, Repeat
from trainer.eval.scores import (
    BothSides,
    around_means,
    diversity_pairs,
    over_clips,
    pair_summaries,
    pose_errors,
    round_trip,
    score,
    summarise,
)
from trainer.metrics import fid

CONFIG = EvaluationConfig(multimodality_generations=4, multimodality_pairs=3)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def _embedded(rng, motions=()):
    return Embedded(list(motions), rng.normal(size=(30, 3)).astype(np.float32))


def test_diversity_draws_the_official_numbers_of_pairs():
    assert [diversity_pairs(count, CONFIG) for count in (5, 300, 301)] == [5, 13, 300]
    assert diversity_pairs(50, EvaluationConfig(diversity_pairs=40)) == 40


def test_a_repeat_is_scored_on_the_pairs_of_the_set_alone(rng):
    real, reactions = _embedded(rng), _embedded(rng)
    several = rng.normal(size=(2, 4, 3))
    repeat = Repeat(reactions, np.array([1, 25]), several, rng)
    rows = np.arange(20)
    scores = score(repeat, real, rows, range(30), CONFIG)
    assert scores["fid"] == fid(real.embeddings[:20], reactions.embeddings[:20])
    broken = several.copy()
    broken[1] += 100 * np.arange(4)[:, None]  # of pair 25, which is not in the set
    again = Repeat(reactions, np.array([1, 25]), broken, rng)
    assert score(again, real, rows, range(30), CONFIG)["multimodality"] < 10
    assert score(again, real, np.arange(30), range(30), CONFIG)["multimodality"] > 10
    assert "multimodality" not in score(repeat, real, np.arange(2, 20), range(30), CONFIG)


def test_every_metric_is_summed_up_over_the_repeats_that_measured_it():
    repeats = [{"fid": 1.0}, {"fid": 3.0, "multimodality": 5.0}]
    found = summarise(repeats, CONFIG, {"fid": Band(0.0, 4.0)})
    assert found["fid"] == (*student_interval([1.0, 3.0]), [1.0, 3.0], (0.0, 4.0))
    assert found["multimodality"] == (5.0, None, [5.0], None)
    published = summarise(repeats, CONFIG.model_copy(update={"intervals": "paper"}))
    assert published["fid"][:2] == paper_interval([1.0, 3.0])


def test_intervals_over_clips_hold_the_metrics_and_shrink_with_more_clips(rng):
    def bands(count):
        real = Embedded([], rng.normal(size=(count, 3)))
        reactions = Embedded([], rng.normal(size=(count, 3)) + 1)
        repeat = Repeat(reactions, np.arange(10), rng.normal(size=(10, 4, 3)), rng)
        rows = np.arange(count)
        return over_clips(repeat, real, rows, range(count), CONFIG), score(
            repeat, real, rows, range(count), CONFIG
        )

    (few, _), (many, scores) = bands(40), bands(400)
    assert set(few) == {"real_diversity", "fid", "kid", "diversity", "multimodality"}
    assert set(scores) == {*few, "real_halves_fid"}
    assert all(band.low < 0 < band.high for band in many.values())
    assert many["fid"].high - many["fid"].low < 0.6 * (few["fid"].high - few["fid"].low)
    assert many["multimodality"].high < 0.3 * scores["multimodality"]


def test_no_interval_of_a_distance_reaches_below_zero(rng):
    real = rng.normal(size=(30, 6))
    close = Repeat(Embedded([], rng.permutation(real)), np.arange(0), np.empty((0, 2, 6)), rng)
    rows = np.arange(30)
    scores = score(close, Embedded([], real), rows, range(30), CONFIG)
    spreads = over_clips(close, Embedded([], real), rows, range(30), CONFIG)
    found = around_means(summarise([scores], CONFIG), spreads)
    assert found["fid"].clips.low == 0.0 < found["fid"].clips.high
    assert found["kid"].clips.low < 0.0  # which is no distance, but an unbiased estimate of one


def test_the_interval_over_clips_holds_the_mean_over_repeats_whatever_the_first_one_drew():
    found = around_means(summarise([{"fid": 9.0}, {"fid": 1.0}], CONFIG), {"fid": Band(-1.0, 2.0)})
    assert found["fid"].clips == (4.0, 7.0)
    assert around_means(summarise([{"fid": 9.0}], CONFIG), {})["fid"].clips is None


def test_pairs_of_a_single_clip_have_no_kid(rng):
    real, reactions = _embedded(rng), _embedded(rng)
    repeat = Repeat(reactions, np.arange(0), np.empty((0, 2, 3)), rng)
    rows, clips = np.arange(30), ["one"] * 30
    assert "kid" not in score(repeat, real, rows, clips, CONFIG)
    assert set(over_clips(repeat, real, rows, clips, CONFIG)) == {"real_diversity", "fid", "diversity"}


def test_the_evaluator_of_joints_has_its_own_intervals(rng):
    real, reactions = _embedded(rng), _embedded(rng)
    repeat = Repeat(reactions, np.arange(0), np.empty((0, 2, 3)), rng)
    joint = BothSides(3 * real.embeddings, 3 * reactions.embeddings, range(30))
    bands = over_clips(repeat, real, np.arange(30), range(30), CONFIG, joint)
    assert {"joint_fid", "joint_kid", "joint_diversity", "real_joint_diversity"} <= set(bands)
    widths = {name: band.high - band.low for name, band in bands.items()}
    assert widths["joint_diversity"] == pytest.approx(3 * widths["diversity"], rel=0.3)


def test_what_pairs_have_values_of_is_averaged_over_those_that_have_one(rng):
    repeats = [
        {"skating_m_s": np.array([1.0, np.nan, 3.0, 9.0])},
        {"skating_m_s": np.array([2.0, np.nan, 6.0, 9.0])},
    ]
    clips = ["a", "b", "c", "d"]
    found = pair_summaries(repeats, np.arange(3), clips, CONFIG)["skating_m_s"]
    assert found.values == [2.0, 4.0]
    assert found.clips == (1.5, 4.5)  # means of the clips a and c over the repeats
    once = pair_summaries(repeats[:1], np.arange(3), clips, CONFIG)["skating_m_s"]
    assert once[:3] == (2.0, None, [2.0])
    assert pair_summaries(repeats, np.array([1]), clips, CONFIG) == {}
    unasked = CONFIG.model_copy(update={"bootstrap": 0})
    assert pair_summaries(repeats, np.arange(3), clips, unasked)["skating_m_s"].clips is None


def test_the_round_trip_of_equal_motions_has_no_error(rng, data):
    motions = [sample.motion[:8] for sample in data.held_out("test")]
    real = Measured(Embedded(motions, rng.normal(size=(len(motions), 3))), None, {})
    rows, clips = np.arange(len(motions)), range(len(motions))
    same = round_trip(real, real, pose_errors(motions, motions), rows, clips)
    assert {name: summary.mean for name, summary in same.items()} == {
        "fid": pytest.approx(0, abs=1e-9),
        "kid": pytest.approx(0, abs=1e-9),
        "mpjpe_m": 0,
    }
    raised = [motion.copy() for motion in motions]
    for motion in raised:
        motion[:, 5] += 0.22  # height of joint 1, one of 22
    errors = pose_errors(motions, raised)
    again = Measured(Embedded(raised, real.embedded.embeddings), None, {})
    assert round_trip(real, again, errors, rows[:3], clips)["mpjpe_m"].mean == pytest.approx(0.01)
