from dataclasses import replace

import numpy as np
import pytest

from hero_core.errors import InputError
from hero_core.minivimo.judge import Verdict
from hero_core.records import Truth
from trainer.eval.plausibility import PlausibilityCheck, assess, can_shuffle, chance, shuffled, wilson

CATCH = Truth("catch", "left", 1.0)
BOW = Truth("bow", "none", 2.0)
STAND = Truth("stand", "none", 0.0)


@pytest.fixture(scope="module")
def pairs(entries):
    return [pair for pair, _ in entries if pair.split == "test"]


@pytest.fixture(scope="module")
def motions(entries):
    return [vectors for pair, vectors in entries if pair.split == "test"]


@pytest.fixture
def check(pairs):
    return PlausibilityCheck(pairs, [pair.length for pair in pairs])


def test_true_reactions_are_all_right(check, motions):
    assert len(check.rows) == 18  # the second pair of a clip does not count again
    check.judge("real", motions)
    answers = check.result().answers["real"]
    assert {name: share.share for name, share in answers.shares.items()} == dict.fromkeys(
        ("reaction", "side", "onset", "all"), 1.0
    )
    assert all(judged == {truth: 1.0} for truth, judged in answers.confusion.items())


def test_the_reactions_to_other_clips_are_not(check, motions):
    others = check.other_clips(len(motions), np.random.default_rng(0))
    assert sorted(others[check.rows]) == check.rows
    assert sum(others == np.arange(len(motions))) == 1  # the second pair of a clip, which is not judged
    check.judge("control", [motions[other] for other in others])
    assert check.result().answers["control"].shares["reaction"].share == 0


def test_clips_that_cannot_be_judged_are_left_out(pairs):
    assert PlausibilityCheck(pairs, [8] * len(pairs)).result() is None
    assert PlausibilityCheck([], []).result() is None
    dances = [replace(pair, truth=Truth("dance", "none", 1.0)) for pair in pairs]
    assert PlausibilityCheck(dances, [pair.length for pair in pairs]).result() is None
    unknown = [replace(pair, truth=None) for pair in pairs]
    assert PlausibilityCheck(unknown, [pair.length for pair in pairs]).result() is None


def test_each_question_counts_where_it_applies():
    verdicts = [
        [Verdict("catch", "left", 1.2), Verdict("catch", "right", 1.2)],
        [Verdict("bow", "none", 2.3), Verdict("hug", "none", 1.9)],
        [Verdict("stand", "none", 0.0), Verdict("stand", "none", 0.0)],
    ]
    answers = assess([CATCH, BOW, STAND], verdicts)
    shares = {name: (share.share, share.clips) for name, share in answers.shares.items()}
    assert shares == {
        "reaction": (pytest.approx(2.5 / 3), 3),
        "side": (0.5, 1),
        "onset": (0.75, 2),
        "all": (pytest.approx((0.5 + 0 + 1) / 3), 3),
    }
    assert answers.reactions == 2
    assert answers.confusion == {
        "bow": {"bow": 0.5, "hug": 0.5},
        "catch": {"catch": 1.0},
        "stand": {"stand": 1.0},
    }


def test_an_unclear_motion_has_no_onset():
    answers = assess([Truth("bow", "none", 0.2)], [[Verdict("unclear", "none", 0.0)]])
    assert answers.shares["onset"].share == 0


def test_chance_counts_what_needs_no_video():
    found = chance([CATCH, replace(CATCH, side="right", onset_seconds=1.4), CATCH, BOW, STAND])
    assert found["uniform"] == {"reaction": pytest.approx(1 / 3), "side": 0.5}
    assert found["constant"] == {
        "reaction": pytest.approx(3 / 5),
        "side": pytest.approx(2 / 3),
        "onset": pytest.approx(3 / 4),  # 1.2 s is near enough to 1.0, 1.0 and 1.4
    }


@pytest.mark.parametrize("counts", [(1, 1), (3, 2, 1), (5, 5), (4, 1, 1, 1, 1), (2, 2, 2)])
def test_shuffling_gives_every_clip_one_of_another_reaction(counts):
    truths = [
        Truth(f"reaction{kind}", "none", 1.0) for kind, count in enumerate(counts) for _ in range(count)
    ]
    for seed in range(20):
        other = shuffled(truths, np.random.default_rng(seed))
        assert sorted(other) == list(range(len(truths)))
        assert all(truths[row].reaction != truths[other[row]].reaction for row in range(len(truths)))


def test_shuffling_is_impossible_when_one_reaction_prevails():
    assert can_shuffle([CATCH, BOW])
    assert not can_shuffle([])
    assert not can_shuffle([CATCH, CATCH, BOW])
    with pytest.raises(InputError, match="more than half of the clips"):
        shuffled([CATCH, CATCH, BOW], np.random.default_rng(0))


def test_wilson_interval_of_known_cases():
    assert wilson(0.5, 100)[:3] == (0.5, pytest.approx(0.4038, abs=1e-4), pytest.approx(0.5962, abs=1e-4))
    none, every = wilson(0.0, 10), wilson(1.0, 10)
    assert none.low == 0
    assert none.high == pytest.approx(0.2775, abs=1e-4)
    assert every.high == pytest.approx(1.0)
