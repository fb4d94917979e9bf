"""Plans depend on (seed, index) alone, are balanced, and leave time to react."""

from collections import Counter

import numpy as np
import pytest

from hero_core.minivimo.interactions import BROAD_CATEGORIES, INTERACTIONS
from hero_core.records import Truth
from pipeline.minivimo import sample_clip

PLANS = [sample_clip(4, index) for index in range(8 * len(INTERACTIONS))]


def test_at_least_twenty_two_interactions_in_three_broad_categories() -> None:
    assert len(INTERACTIONS) >= 22
    assert len({kind.name for kind in INTERACTIONS}) == len(INTERACTIONS)
    assert set(BROAD_CATEGORIES) == {"human-human", "animal-human", "scene-human"}


def test_every_kind_of_question_is_asked() -> None:
    counts = Counter(kind.asks for kind in INTERACTIONS)
    assert set(counts) == {"sight", "order", "speed", "last", "nearness"}
    assert min(counts.values()) >= 2


def test_guessing_one_reaction_is_right_in_an_eighth_at_most() -> None:
    counts = Counter(plan.interaction.reaction for plan in PLANS)
    assert len(counts) >= 12
    assert max(counts.values()) / len(PLANS) <= 0.125


@pytest.mark.parametrize("count", [10, 37, 100])
def test_any_run_of_clips_is_balanced(count: int) -> None:
    counts = Counter(plan.interaction.name for plan in PLANS[:count])
    assert max(counts.values()) - min(counts.get(kind.name, 0) for kind in INTERACTIONS) <= 1


def test_sides_are_balanced_and_only_where_they_mean_something() -> None:
    for kind in INTERACTIONS:
        sides = Counter(plan.side for plan in PLANS if plan.interaction == kind)
        assert sides == ({"left": 4, "right": 4} if kind.sided else {"none": 8})


def test_three_hundred_clips_hold_a_hundred_with_a_side() -> None:
    assert sum(plan.side != "none" for plan in (sample_clip(6, index) for index in range(300))) >= 100


def test_what_is_avoided_is_seen_on_the_other_side() -> None:
    for plan in PLANS:
        if plan.interaction.sided:
            assert (plan.seen_side == plan.side) == (plan.interaction.reaction != "sidestep")


def test_what_has_no_side_is_seen_on_either() -> None:
    seen = Counter(plan.seen_side for plan in PLANS if not plan.interaction.sided)
    assert min(seen["left"], seen["right"]) > 0.35 * seen.total()


def test_no_constant_onset_is_right_often() -> None:
    """The window of half a second that is best on one seed's clips is tried on another seed's."""
    fitted, fresh = _onsets(seed=0), _onsets(seed=1)
    guesses = np.arange(0.0, 5.0, 0.02)
    best = guesses[np.argmax([np.mean(np.abs(fitted - guess) <= 0.25) for guess in guesses])]
    assert np.mean(np.abs(fresh - best) <= 0.25) <= 0.30


def test_the_event_comes_at_the_same_times_in_all_kinds() -> None:
    plans = [sample_clip(8, index) for index in range(40 * len(INTERACTIONS))]
    for asks in ("sight", "order", "speed", "last", "nearness"):
        shares = [p.event_seconds / p.duration_seconds for p in plans if p.interaction.asks == asks]
        assert np.mean(shares) == pytest.approx(0.42, abs=0.04)
        assert 0.2 <= min(shares) < 0.25


def test_something_irrelevant_happens_in_two_of_five_clips_of_any_kind() -> None:
    plans = [sample_clip(8, index) for index in range(40 * len(INTERACTIONS))]
    assert np.mean([plan.far is not None for plan in plans]) == pytest.approx(0.4, abs=0.05)
    assert {plan.interaction for plan in plans if plan.far is not None} == set(INTERACTIONS)


def test_there_is_time_before_the_event_and_for_the_reaction() -> None:
    for plan in PLANS:
        assert 3.4 <= plan.duration_seconds <= 6.0
        assert 68 <= plan.motion_length <= 120
        assert plan.motion_length == pytest.approx(20 * plan.duration_seconds)
        assert plan.frame_count == pytest.approx(plan.fps * plan.duration_seconds, abs=0.5)
        assert plan.event_seconds >= 0.2 * plan.duration_seconds
        if plan.interaction.reaction != "stand":
            for variant in range(2):
                assert 0.1 <= plan.onset_seconds(variant) - plan.event_seconds <= 0.4
                assert plan.duration_seconds - plan.onset_seconds(variant) >= 1.2


def test_the_truth_is_the_interactions_reaction_on_its_side_after_the_event() -> None:
    for plan in PLANS:
        truth = plan.truth(1)
        assert truth == Truth(plan.interaction.reaction, plan.side, plan.onset_seconds(1))
        assert truth.moves == (truth.reaction != "stand")
        assert not truth.moves or truth.onset_seconds > plan.event_seconds


def test_rates_and_sizes_are_mixed() -> None:
    assert len({plan.fps for plan in PLANS}) >= 5
    assert len({(plan.width, plan.height) for plan in PLANS}) >= 5
    assert all(160 <= side <= 320 and side % 2 == 0 for plan in PLANS for side in (plan.width, plan.height))


def test_same_seed_and_index_same_plan() -> None:
    assert sample_clip(4, 77) == PLANS[77]
    assert sample_clip(5, 77) != PLANS[77]


def _onsets(seed: int) -> np.ndarray:
    """When the reactions of 600 clips begin, where there are any."""
    truths = [sample_clip(seed, index).truth(0) for index in range(600)]
    return np.array([truth.onset_seconds for truth in truths if truth.moves])
