from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from hero_core.errors import InputError
from hero_core.minivimo.interactions import INTERACTIONS
from hero_core.minivimo.judge import Verdict
from hero_core.records import Truth
from trainer.eval.plausibility import (
    PlausibilityCheck,
    can_shuffle,
    right_answers,
    shares_of,
    shuffled,
    uniform_guess,
)

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
    check.judge("real", check.of_clips(motions))
    answers = check.result().answers["real"]
    assert {name: share.share for name, share in answers.shares.items()} == dict.fromkeys(
        ("reaction", "side", "onset", "all"), 1.0
    )
    assert all(judged == {truth: 1.0} for truth, judged in answers.confusion.items())


def test_clips_that_cannot_be_judged_are_left_out(pairs):
    assert PlausibilityCheck(pairs, [8] * len(pairs)).result() is None
    assert PlausibilityCheck([], []).result() is None
    dances = [replace(pair, truth=Truth("dance", "none", 1.0)) for pair in pairs]
    assert PlausibilityCheck(dances, [pair.length for pair in pairs]).result() is None
    unknown = [replace(pair, truth=None) for pair in pairs]
    assert PlausibilityCheck(unknown, [pair.length for pair in pairs]).result() is None


def test_each_question_counts_where_it_applies():
    verdicts = [
        [Verdict("catch", "left", 1.2), Verdict("bow", "none", 2.3), Verdict("stand", "none", 0.0)],
        [Verdict("catch", "right", 1.2), Verdict("hug", "none", 1.9), Verdict("stand", "none", 0.0)],
    ]
    first, second = (right_answers([CATCH, BOW, STAND], each) for each in verdicts)
    nan = np.nan
    np.testing.assert_equal(first, [[1, 1, 1, 1], [1, nan, 0, 0], [1, nan, nan, 1]])
    np.testing.assert_equal(second, [[1, 0, 1, 0], [0, nan, 1, 0], [1, nan, nan, 1]])
    shares = {name: (share.share, share.clips) for name, share in shares_of((first + second) / 2).items()}
    assert shares == {
        "reaction": (pytest.approx(2.5 / 3), 3),
        "side": (0.5, 1),
        "onset": (0.75, 2),
        "all": (pytest.approx((0.5 + 0 + 1) / 3), 3),
    }


def test_several_reactions_to_a_clip_count_as_its_share(check, motions):
    judged = check.of_clips(motions)
    check.judge("generated", judged)
    check.judge("generated", judged[::-1])
    found = check.result().answers["generated"]
    assert found.reactions == 2
    assert found.shares["reaction"].clips == len(judged)
    backwards = np.mean(
        [a.reaction == b.reaction for a, b in zip(check.truths, check.truths[::-1], strict=True)]
    )
    assert found.shares["reaction"].share == pytest.approx((1 + backwards) / 2)
    assert sum(found.confusion[check.truths[0].reaction].values()) == pytest.approx(1)


def test_the_models_row_is_broken_down_by_what_clips_ask(check, motions, pairs):
    asks = {kind.name: kind.asks for kind in INTERACTIONS}
    check.judge("generated", check.of_clips(motions))
    found = check.result().asks
    counts = Counter(asks[pairs[row].subcategory] for row in check.rows)
    assert {kind: answers.shares["all"].clips for kind, answers in found.items()} == counts
    assert all(answers.shares["all"].share == 1 for answers in found.values())
    unknown = [replace(pair, subcategory="dance") for pair in pairs]
    other = PlausibilityCheck(unknown, [pair.length for pair in pairs])
    other.judge("generated", other.of_clips(motions))
    assert other.result().asks == {}


def test_guessing_reactions_and_sides():
    assert uniform_guess([CATCH, CATCH, BOW, STAND]) == {"reaction": pytest.approx(1 / 3), "side": 0.5}
    assert uniform_guess([BOW]) == {"reaction": 1}


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
