"""What single frames show, and what only their order, speed or last event tells."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from hero_core.minivimo.interactions import INTERACTIONS
from pipeline.minivimo import ClipPlan, sample_clip
from pipeline.minivimo.far import far_view
from pipeline.minivimo.scenes import view_at
from pipeline.minivimo.sight import PLACES, SIGHT_FIELDS, places, sight

KINDS = {kind.name: kind for kind in INTERACTIONS}
PLANS = [sample_clip(12, index) for index in range(8 * len(INTERACTIONS))]
LAST = [kind.name for kind in INTERACTIONS if kind.asks == "last"]


def plans_of(name: str) -> list[ClipPlan]:
    """All clips of one interaction."""
    return [plan for plan in PLANS if plan.interaction.name == name]


def times_of(plan: ClipPlan, count: int = 40) -> np.ndarray:
    """(count,) times over the whole clip."""
    return np.linspace(0, plan.duration_seconds, count)


def sights(plan: ClipPlan, times_seconds: np.ndarray) -> np.ndarray:
    """(t, fields)."""
    return np.stack([sight(plan, float(time)) for time in times_seconds])


def field(seen: np.ndarray, name: str) -> np.ndarray:
    """(t,) one field."""
    return np.asarray(seen[..., SIGHT_FIELDS.index(name)])


def other_side(plan: ClipPlan) -> ClipPlan:
    """The same clip with the other answer."""
    side: Literal["left", "right"] = "right" if plan.side == "left" else "left"
    return replace(plan, side=side)


def test_shape_range_and_zero_where_absent() -> None:
    for plan in PLANS:
        seen = sights(plan, times_of(plan, 12))
        assert seen.shape == (12, len(SIGHT_FIELDS))
        assert seen.dtype == np.float32
        assert np.abs(seen).max() <= 1.25
        for kind in ("dog", "lion", "bird", "car", "ball"):
            absent = field(seen, f"{kind}_shown") == 0
            for number in ("size", "x", "y"):
                assert not field(seen, f"{kind}_{number}")[absent].any()
        shown = np.stack([field(seen, name) for name in SIGHT_FIELDS if name.endswith("_shown")])
        assert shown.min() >= 0
        assert shown.max() <= 1


def test_every_field_varies() -> None:
    seen = np.concatenate([sights(plan, times_of(plan, 16)) for plan in PLANS])
    assert (seen.std(axis=0) > 0.005).all()


@pytest.mark.parametrize("name", KINDS)
def test_it_is_what_is_in_view(name: str) -> None:
    """Seen through the clip's own view: a person or a light is there if and only if it is drawn."""
    plan = plans_of(name)[0]
    for time in times_of(plan, 10):
        view, seen = view_at(plan, float(time)), sight(plan, float(time))
        assert field(seen, "person_shown") == (view.person is not None)
        lit = field(seen, "light_red_shown") + field(seen, "light_green_shown")
        assert lit == (view.light is not None)


@pytest.mark.parametrize(
    ("forwards", "backwards", "shift_seconds"),
    [
        ("approach_neutral", "walks_away", 0.2),
        ("throw_ball", "they_catch", 0.0),
        ("green_light", "red_light", 0.0),
    ],
)
def test_told_by_order_alone(forwards: str, backwards: str, shift_seconds: float) -> None:
    """In reverse, the frames are those of a clip of the other interaction, whose answer is another."""
    assert KINDS[forwards].reaction != KINDS[backwards].reaction
    for plan in plans_of(forwards):
        event = plan.duration_seconds - plan.event_seconds + shift_seconds
        side = "none" if plan.side == "none" else plan.side
        look = replace(plan.look, backdrop_seed=int(plan.seen_side == "left"))
        reverse = replace(plan, interaction=KINDS[backwards], event_seconds=event, side=side, look=look)
        times = times_of(plan, 41) + 1e-3  # not the very moment of a change
        here, there = sights(plan, times), sights(reverse, plan.duration_seconds - times)
        np.testing.assert_allclose(here, there, atol=1e-5)
        assert np.abs(here - sights(reverse, times)).max() > 0.3


def test_throws_differ_by_the_speed_of_the_ball_alone() -> None:
    for plan in plans_of("throw_ball"):
        fast = replace(plan, interaction=KINDS["fast_ball"], side=other_side(plan).side)
        before = np.linspace(-0.6, 0.0, 10) + plan.event_seconds
        assert np.array_equal(sights(plan, before), sights(fast, before))
        after = np.linspace(0.02, 0.5, 10)
        slow_seen = sights(plan, plan.event_seconds + 3 * after)
        fast_seen = sights(fast, plan.event_seconds + after)
        for number in ("shown", "size", "x", "y"):
            name = f"ball_{number}"
            np.testing.assert_allclose(field(slow_seen, name), field(fast_seen, name), atol=1e-5)
        of_person = slice(0, SIGHT_FIELDS.index("dog_shown"))
        later = sights(plan, plan.event_seconds + after)[:, of_person]
        assert np.array_equal(later, fast_seen[:, of_person])
    assert KINDS["throw_ball"].reaction != KINDS["fast_ball"].reaction


def test_flights_last_as_long_as_frames_need_to_tell_them_apart() -> None:
    """The lob is seen in several of 16 frames, the fast ball in one or two."""
    shown = {}
    for name in ("throw_ball", "fast_ball"):
        seconds = []
        for plan in plans_of(name):
            times = plan.event_seconds + np.arange(0.01, 2.5, 0.01)
            sizes = field(sights(plan, times), "ball_size")
            arrived = 0.11 * 0.95 + 0.26  # about its size when it is beside us
            seconds.append(0.01 * np.argmax(sizes > 0.85 * arrived))
        shown[name] = seconds
    assert 0.9 < min(shown["throw_ball"]) <= max(shown["throw_ball"]) < 1.4
    assert 0.3 < min(shown["fast_ball"]) <= max(shown["fast_ball"]) < 0.47


def test_a_rush_differs_from_an_approach_by_its_speed_alone() -> None:
    for plan in plans_of("approach_neutral"):
        rush = replace(plan, interaction=KINDS["rush"])
        before_arrival = np.linspace(-1.6, 0.3, 20)
        slow = sights(plan, plan.event_seconds - 0.1 + before_arrival)
        fast = sights(rush, plan.event_seconds + 0.25 + before_arrival / 3)
        for name in ("person_height", "person_x", "face_slant", "face_smile", "bow"):
            np.testing.assert_allclose(field(slow, name), field(fast, name), atol=1e-5)


def test_the_last_hand_counts_and_backwards_it_is_the_other() -> None:
    for plan in plans_of("change_hands"):
        up = np.stack(
            [field(sights(plan, times_of(plan, 200)), f"{hand}_hand_up") for hand in ("left", "right")]
        )
        first, last = (float(np.mean(times_of(plan, 200)[heights > 0.4])) for heights in up)
        assert (last > first) == (plan.seen_side == "right")
        middle = plan.event_seconds - 0.325 * min(1.0, plan.event_seconds / 1.3)
        around = np.linspace(-1.2, 1.2, 41)
        np.testing.assert_allclose(
            sights(plan, middle + around), sights(other_side(plan), middle - around), atol=1e-5
        )


@pytest.mark.parametrize(
    ("name", "thing", "near"), [("dog_crosses", "dog", 0.4), ("car_swerves", "car", 0.4)]
)
def test_first_it_is_near_on_the_other_side(name: str, thing: str, near: float) -> None:
    """Also in clips whose event comes early."""
    for plan in plans_of(name):
        sign = -1 if plan.seen_side == "left" else 1
        seen = sights(plan, np.linspace(0.0, plan.event_seconds + 0.1, 100))
        x, size = sign * field(seen, f"{thing}_x"), field(seen, f"{thing}_size")
        assert (x[size > near] < -0.25).sum() >= 8
        assert x[-1] > 0.25
        assert size[-1] > near


@pytest.mark.parametrize("name", LAST)
def test_last_sides_are_balanced(name: str) -> None:
    sides = [plan.seen_side for plan in plans_of(name)]
    assert sides.count("left") == sides.count("right")


@pytest.mark.parametrize(
    ("far", "near", "thing"), [("car_passes", "car_comes", "car"), ("bird_passes", "bird_swoops", "bird")]
)
def test_told_by_nearness_alone(far: str, near: str, thing: str) -> None:
    """The same thing, never larger than where the other one starts."""
    for plan, other in zip(plans_of(far), plans_of(near), strict=True):
        sizes = field(sights(plan, times_of(plan)), f"{thing}_size")
        others = field(sights(other, times_of(other, 100)), f"{thing}_size")
        assert (
            sizes.max() == pytest.approx(others[others > 0].min(), rel=0.05)
            or sizes.max() < others[others > 0].min()
        )
        assert 0 < sizes.max() < 0.25 * others.max()


def test_what_happens_far_away_stays_smaller_than_anything_that_matters() -> None:
    smallest: dict[str, float] = {}
    for plan in PLANS:
        for time in times_of(plan, 20):
            view = view_at(plan, float(time))
            sizes: list[tuple[str, float]] = [(thing.kind, thing.size) for thing in view.things]
            sizes += [("person", view.person.height)] if view.person else []
            sizes += [("light", view.light.height)] if view.light else []
            for kind, size in sizes:
                smallest[kind] = min(size, smallest.get(kind, size))
    for plan in PLANS:
        if plan.far is None:
            continue
        assert plan.far.size < 0.65 * smallest[plan.far.kind]
        for time in times_of(plan, 10):
            view = far_view(plan.far, plan.look.horizon, plan.half_width, float(time))
            assert len(view.things) + (view.person is not None) + (view.light is not None) == 1


def test_what_happens_far_away_is_not_in_the_numbers() -> None:
    for plan in PLANS:
        if plan.far is not None:
            times = times_of(plan, 6)
            assert np.array_equal(sights(plan, times), sights(replace(plan, far=None), times))


def test_numbers_say_nothing_of_the_answer_before_it_shows() -> None:
    """The same lamp, the same face, the same hands: the same numbers, whatever will follow."""
    for plan in plans_of("green_light"):
        red_later = replace(plan, interaction=KINDS["red_light"])
        before, after = plan.event_seconds - 0.3, plan.event_seconds + 0.3
        assert np.array_equal(sight(plan, before), sight(red_later, after))
        assert np.array_equal(sight(plan, after), sight(red_later, before))
    for plan in plans_of("approach_angry"):
        neutral, happy = (
            replace(plan, interaction=KINDS[f"approach_{mood}"]) for mood in ("neutral", "happy")
        )
        hidden, shown = plan.event_seconds - 0.45, plan.event_seconds + 0.2
        assert np.array_equal(sight(plan, hidden), sight(happy, hidden))
        assert field(sight(plan, shown), "face_smile") < field(sight(neutral, shown), "face_smile")
        assert field(sight(neutral, shown), "face_smile") < field(sight(happy, shown), "face_smile")


def test_places_agree_with_what_is_seen() -> None:
    for plan in PLANS[::5]:
        for time in times_of(plan, 6):
            where, seen = places(plan, float(time)), sight(plan, float(time))
            assert where.shape == (len(PLACES), 2)
            assert (np.isnan(where) | (np.abs(where) <= 1)).all()
            for row, name in enumerate(PLACES[:5]):
                assert np.isnan(where[row]).all() == (field(seen, f"{name}_shown") == 0)
                if not np.isnan(where[row]).any():
                    assert where[row] == pytest.approx(
                        [float(field(seen, f"{name}_{axis}")) for axis in "xy"]
                    )


def test_faces_and_hands_are_where_the_person_is() -> None:
    plan = plans_of("high_five")[0]
    at = dict(zip(PLACES, places(plan, plan.event_seconds + 0.3), strict=True))
    offered, hanging = (
        ("left_hand", "right_hand") if plan.seen_side == "left" else ("right_hand", "left_hand")
    )
    assert at["left_hand"][0] < at["face"][0] < at["right_hand"][0]
    assert np.isnan(at[hanging]).all() or at[offered][1] < at[hanging][1]  # the offered one is higher up
