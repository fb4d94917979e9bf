"""Plans depend on (seed, index) alone, are balanced, and leave time to react."""

from collections import Counter

import pytest

from hero_core.minivimo.interactions import BROAD_CATEGORIES, INTERACTIONS
from hero_core.records import Truth
from pipeline.minivimo import sample_clip

PLANS = [sample_clip(4, index) for index in range(8 * len(INTERACTIONS))]


def test_at_least_twelve_interactions_in_three_broad_categories() -> None:
    assert len(INTERACTIONS) >= 12
    assert len({kind.name for kind in INTERACTIONS}) == len(INTERACTIONS)
    assert set(BROAD_CATEGORIES) == {"human-human", "animal-human", "scene-human"}


def test_guessing_one_reaction_is_right_in_a_tenth_at_most() -> None:
    counts = Counter(plan.interaction.reaction for plan in PLANS)
    assert len(counts) >= 12
    assert max(counts.values()) / len(PLANS) <= 0.10


@pytest.mark.parametrize("count", [10, 37, 100])
def test_any_run_of_clips_is_balanced(count: int) -> None:
    counts = Counter(plan.interaction.name for plan in PLANS[:count])
    assert max(counts.values()) - min(counts.get(kind.name, 0) for kind in INTERACTIONS) <= 1


def test_sides_are_balanced_and_only_where_they_mean_something() -> None:
    for kind in INTERACTIONS:
        sides = Counter(plan.side for plan in PLANS if plan.interaction == kind)
        assert sides == ({"left": 4, "right": 4} if kind.sided else {"none": 8})


def test_a_car_is_avoided_and_everything_else_is_met() -> None:
    for plan in PLANS:
        if plan.interaction.sided:
            assert (plan.seen_side == plan.side) == (plan.interaction.reaction != "sidestep")


def test_there_is_time_before_the_event_and_for_the_reaction() -> None:
    for plan in PLANS:
        assert 2.0 <= plan.duration_seconds <= 6.0
        assert 40 <= plan.motion_length <= 120
        assert plan.motion_length == pytest.approx(20 * plan.duration_seconds)
        assert plan.frame_count == pytest.approx(plan.fps * plan.duration_seconds, abs=0.5)
        assert plan.event_seconds >= 0.5
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
