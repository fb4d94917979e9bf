"""Frames: shapes, determinism, and that what matters can be seen."""

from dataclasses import replace

import numpy as np
import pytest

from hero_core.minivimo.interactions import INTERACTIONS
from pipeline.decode.transforms import resize_frame
from pipeline.minivimo import ClipPlan, render_frames, sample_clip

KINDS = {kind.name: kind for kind in INTERACTIONS}


def plan_of(name: str, seed: int = 0) -> ClipPlan:
    """The first clip of one interaction."""
    plans = (sample_clip(seed, index) for index in range(len(INTERACTIONS)))
    return next(plan for plan in plans if plan.interaction.name == name)


def squares(plan: ClipPlan, times_seconds: list[float], size: int) -> np.ndarray:
    """(t, size, size, 3) frames as integers, as the encoder's transforms squash them."""
    frames = render_frames(plan, times_seconds)
    return np.stack([resize_frame(frame, size) for frame in frames]).astype(int)


def test_all_frames_at_the_clips_own_rate_and_size() -> None:
    plan = min((sample_clip(1, index) for index in range(10)), key=lambda plan: plan.frame_count)
    frames = list(render_frames(plan))
    assert len(frames) == plan.frame_count
    assert all(frame.shape == (plan.height, plan.width, 3) and frame.dtype == np.uint8 for frame in frames)


@pytest.mark.parametrize("name", KINDS)
def test_every_interaction_can_be_drawn_at_any_time(name: str) -> None:
    plan = plan_of(name)
    frames = list(render_frames(plan, [0.0, plan.event_seconds, plan.duration_seconds]))
    assert {frame.shape for frame in frames} == {(plan.height, plan.width, 3)}
    assert np.stack(frames).std() > 10


def test_the_same_time_gives_the_same_picture() -> None:
    plan = sample_clip(2, 3)
    times = plan.frame_times_seconds[[4, 9]]
    some, every = list(render_frames(plan, times)), list(render_frames(plan))
    assert np.array_equal(some[0], every[4])
    assert np.array_equal(some[1], every[9])


@pytest.mark.parametrize("name", [kind.name for kind in INTERACTIONS if kind.reaction != "stand"])
def test_the_event_changes_the_picture(name: str) -> None:
    """Without noise and shake, the picture at the event differs from the one well before."""
    plan = plan_of(name)
    quiet = replace(plan, far=None, look=replace(plan.look, noise=0, shake=0.0, distractors=()))
    before, event = squares(quiet, [plan.event_seconds - 0.5, plan.event_seconds + 0.25], size=112)
    assert np.mean(np.abs(before - event) > 40) > 0.01


def test_approaches_differ_by_the_face_alone() -> None:
    """The three moods give the same pictures until they show, and visibly other faces then."""
    plan = plan_of("approach_neutral")
    names = ("approach_angry", "approach_neutral", "approach_happy")
    moods = [replace(plan, interaction=KINDS[name]) for name in names]
    hidden, shown = plan.event_seconds - 0.45, plan.event_seconds + 0.3
    frames = np.stack([squares(mood, [hidden, shown], size=112) for mood in moods])
    for a, b in ((0, 1), (1, 2), (0, 2)):
        assert np.array_equal(frames[a, 0], frames[b, 0])
        changed = np.mean(np.abs(frames[a, 1] - frames[b, 1]).max(axis=-1) > 40)
        assert 0.008 < changed < 0.2


@pytest.mark.parametrize("name", [kind.name for kind in INTERACTIONS if kind.sided and kind.asks != "last"])
def test_the_side_can_be_seen(name: str) -> None:
    """What changes at the event is in the half of the picture where it is said to happen."""
    plan = plan_of(name)
    look = replace(plan.look, noise=0, shake=0.0, distractors=(), offset_x=0.0)
    for side in ("left", "right"):
        quiet = replace(plan, look=look, side=side, far=None)
        soon = 1.0 if name == "throw_ball" else 0.25  # a lob takes its time
        far, near = squares(quiet, [max(plan.event_seconds - 1.2, 0.0), plan.event_seconds + soon], size=96)
        changed = np.abs(near - far).max(axis=-1).astype(float)
        left, right = changed[:, :48].sum(), changed[:, 48:].sum()
        assert (left > 1.15 * right) if quiet.seen_side == "left" else (right > 1.15 * left)


def test_what_happens_far_away_is_seen_and_small() -> None:
    """In clips with and without it, a small part of the picture differs, visibly in most frames."""
    plans = [plan for plan in (sample_clip(3, index) for index in range(60)) if plan.far is not None]
    visible = 0
    for plan in plans:
        assert plan.far is not None
        look = replace(plan.look, noise=0, shake=0.0, distractors=())
        times = [plan.far.begin_seconds]
        with_far = squares(replace(plan, look=look), times, size=112)
        without = squares(replace(plan, look=look, far=None), times, size=112)
        changed = np.mean(np.abs(with_far - without).max(axis=-1) > 20)
        assert changed < 0.02
        visible += changed > 0
    assert visible > 0.8 * len(plans)  # the others are behind someone
