from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.mini_scores import Ridge, Watched, clip_scores, frame_scores, owner
from hero_core.minivimo.interactions import INTERACTIONS, REACTIONS
from pipeline.decode.sampling import segment_centres
from pipeline.minivimo import ClipPlan, sample_clip
from pipeline.minivimo.sight import SIGHT_FIELDS, sight

Array = NDArray[np.floating]
FeaturesOf = Callable[[ClipPlan, Array, Array], Array]


def watched(data_seed: int, count: int, features_of: FeaturesOf) -> list[Watched]:
    """Clips whose features are what ``features_of`` makes of (plan, times, sight)."""
    clips = []
    for index in range(count):
        plan = sample_clip(data_seed, index)
        times = plan.frame_times_seconds[segment_centres(plan.frame_count)]
        seen = np.stack([sight(plan, float(time)) for time in times])
        clips.append(Watched(plan, times, features_of(plan, times, seen).astype(np.float32), seen))
    return clips


def of_plan(plan: ClipPlan, times: Array, _: Array) -> Array:
    """Features that know the answer in every frame, and when it comes."""
    reaction = np.eye(len(REACTIONS))[REACTIONS.index(plan.interaction.reaction)]
    side = {"left": -1.0, "right": 1.0, "none": 0.0}[plan.side]
    passed = np.clip((times - plan.event_seconds) / plan.duration_seconds, -1, 1)
    return np.column_stack([np.tile(np.append(reaction, side), (len(times), 1)), passed])


def noise(plan: ClipPlan, times: Array, _: Array) -> Array:
    return np.random.default_rng(plan.index).normal(size=(len(times), 12))


def test_ridge_finds_a_linear_map_and_shrinks_where_there_is_none():
    rng = np.random.default_rng(0)
    x, z, weight = rng.normal(size=(80, 20)), rng.normal(size=(50, 20)), rng.normal(size=(20, 3))
    answer = Ridge.fit(x, x @ weight + 5)
    np.testing.assert_allclose(answer(z), z @ weight + 5, atol=0.05)
    nothing = Ridge.fit(x, rng.normal(size=(80, 1)))
    assert np.abs(nothing.weight).max() < 0.2


def test_ridge_with_more_features_than_rows_predicts_other_rows():
    rng = np.random.default_rng(1)
    x, z = rng.normal(size=(40, 3)) @ (mix := rng.normal(size=(3, 300))), rng.normal(size=(40, 3)) @ mix
    weight = rng.normal(size=(300, 1))
    np.testing.assert_allclose(Ridge.fit(x, x @ weight)(z), z @ weight, rtol=0.05, atol=1)


def test_every_field_has_an_owner_that_is_shown_or_not():
    owners = {field: SIGHT_FIELDS[owner(field)] for field in SIGHT_FIELDS}
    assert owners["dog_x"] == owners["dog_shown"] == "dog_shown"
    assert owners["face_smile"] == owners["left_hand_up"] == owners["bow"] == "person_shown"
    plans = [sample_clip(3, index) for index in range(2 * len(INTERACTIONS))]
    seen = np.stack(
        [sight(plan, share * plan.duration_seconds) for plan in plans for share in (0.1, 0.4, 0.7)]
    )
    for column, field in enumerate(SIGHT_FIELDS):
        if field.endswith("_shown"):
            continue
        absent = seen[:, owner(field)] == 0
        assert not seen[absent, column].any()


def test_features_that_are_the_sight_tell_every_field():
    fitted, scored = (watched(seed, 75, lambda _, __, seen: seen) for seed in (1, 2))
    scores = frame_scores(fitted, scored)
    assert scores.keys() == set(SIGHT_FIELDS)
    assert min(scores.values()) > 0.99


def test_features_that_are_noise_tell_nothing():
    fitted, scored = (watched(seed, 50, noise) for seed in (1, 2))
    scores = frame_scores(fitted, scored)
    assert np.mean([score for field, score in scores.items() if field.endswith("_shown")]) == pytest.approx(
        0.5, abs=0.05
    )
    assert max(score for field, score in scores.items() if not field.endswith("_shown")) < 0.2
    scores = clip_scores(fitted, scored)
    assert scores["reaction_from_mean"] < 0.35
    assert 0.2 < scores["side_from_mean"] < 0.8


def test_features_that_know_the_answer_give_it_away():
    fitted, scored = (watched(seed, 75, of_plan) for seed in (1, 2))
    scores = clip_scores(fitted, scored)
    for view in ("mean", "middle_frame", "frame_after_event"):
        assert scores[f"reaction_from_{view}"] == scores[f"side_from_{view}"] == 1
    assert scores["event_error_seconds_from_ordered_frames"] < 0.1
    assert scores["event_within_0.25_seconds_from_ordered_frames"] > 0.9
    assert scores["event_within_0.25_seconds_from_constant"] < 0.6
