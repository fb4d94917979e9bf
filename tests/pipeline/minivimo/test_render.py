"""Frames: shapes, determinism, and that what matters can be seen."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.minivimo import INTERACTIONS, ClipPlan, render_frames, sample_clip

KINDS = {kind.name: kind for kind in INTERACTIONS}


def plan_of(name: str, seed: int = 0) -> ClipPlan:
    """The first clip of one interaction."""
    return next(plan for plan in (sample_clip(seed, i) for i in range(15)) if plan.interaction.name == name)


def test_all_frames_at_the_clips_own_rate_and_size() -> None:
    plan = min((sample_clip(1, index) for index in range(10)), key=lambda plan: plan.frame_count)
    frames = list(render_frames(plan))
    assert len(frames) == plan.frame_count
    assert all(frame.shape == (plan.height, plan.width, 3) and frame.dtype == np.uint8 for frame in frames)


@pytest.mark.parametrize("name", KINDS)
def test_chosen_times_squashed_to_a_square(name: str) -> None:
    plan = plan_of(name)
    frames = np.stack(list(render_frames(plan, [0.0, plan.event_seconds, plan.duration_seconds], size=64)))
    assert frames.shape == (3, 64, 64, 3)
    assert frames.dtype == np.uint8
    assert frames.std() > 10


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
    quiet = replace(plan, look=replace(plan.look, noise=0, shake=0.0, distractors=()))
    before, event = render_frames(quiet, [plan.event_seconds - 0.5, plan.event_seconds + 0.25], size=112)
    assert np.mean(np.abs(before.astype(int) - event) > 40) > 0.01


def test_approaches_differ_by_the_face_alone() -> None:
    """The three moods give the same pictures until they show, and visibly other faces then."""
    plan = plan_of("approach_neutral")
    names = ("approach_angry", "approach_neutral", "approach_happy")
    moods = [replace(plan, interaction=KINDS[name]) for name in names]
    hidden, shown = plan.event_seconds - 0.45, plan.event_seconds + 0.3
    frames = np.stack([list(render_frames(mood, [hidden, shown], size=112)) for mood in moods]).astype(int)
    for a, b in ((0, 1), (1, 2), (0, 2)):
        assert np.array_equal(frames[a, 0], frames[b, 0])
        changed = np.mean(np.abs(frames[a, 1] - frames[b, 1]).max(axis=-1) > 40)
        assert 0.008 < changed < 0.2


@pytest.mark.parametrize("name", [kind.name for kind in INTERACTIONS if kind.sided])
def test_the_side_can_be_seen(name: str) -> None:
    """What changes at the event is in the half of the picture where it is said to happen."""
    plan = plan_of(name)
    look = replace(plan.look, noise=0, shake=0.0, distractors=(), offset_x=0.0)
    for side in ("left", "right"):
        quiet = replace(plan, look=look, side=side)
        far, near = render_frames(
            quiet, [max(plan.event_seconds - 1.2, 0.0), plan.event_seconds + 0.25], size=96
        )
        changed = np.abs(near.astype(int) - far).max(axis=-1).astype(float)
        left, right = changed[:, :48].sum(), changed[:, 48:].sum()
        assert (left > 1.15 * right) if quiet.seen_side == "left" else (right > 1.15 * left)
