import numpy as np
import pytest

from hero_core.records import FeatureRecord, Truth
from trainer.eval.controls import controls, judge_controls, one_frame, reversed_frames, shuffled_frames
from trainer.eval.plausibility import ROWS, PlausibilityCheck

FRAMES = 16


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def video(rng):
    return FeatureRecord.of(rng.normal(size=(FRAMES, 3)).astype(np.float32), np.arange(FRAMES) / 4)


def test_one_frame_is_the_middle_one_everywhere(video, rng):
    shown = one_frame(video, rng)
    assert np.all(shown.frames == video.frames[8])
    assert np.array_equal(shown.global_feature, video.frames[8])
    assert shown.frames.shape == video.frames.shape


@pytest.mark.parametrize("change", [reversed_frames, shuffled_frames])
def test_order_changes_and_nothing_else(video, rng, change):
    shown = change(video, rng)
    assert not np.array_equal(shown.frames, video.frames)
    assert np.array_equal(np.sort(shown.frames, axis=0), np.sort(video.frames, axis=0))
    assert np.array_equal(shown.global_feature, video.global_feature)
    assert np.array_equal(shown.timestamps_seconds, video.timestamps_seconds)


def test_reversed_runs_backwards_and_shuffled_differs_from_clip_to_clip(video, rng):
    assert np.array_equal(reversed_frames(video, rng).frames[0], video.frames[-1])
    first, second = (shuffled_frames(video, rng).frames for _ in range(2))
    assert not np.array_equal(first, second)


def test_another_clip_is_shown_where_there_is_one(rng):
    videos = [FeatureRecord.of(np.full((2, 1), k, np.float32), np.arange(2.0)) for k in range(4)]
    truths = [Truth(name, "none", 1.0) for name in ("bow", "bow", "hug", "wave")]
    shown = dict(controls(videos, truths, rng))
    assert set(shown) <= set(ROWS)
    for truth, other in zip(truths, shown["other_clip"], strict=True):
        assert truths[int(other.frames[0, 0])].reaction != truth.reaction
    assert "other_clip" not in dict(controls(videos[:3], truths[:3], rng))


def test_a_model_that_knows_the_video_is_right_on_it_and_not_on_the_controls(entries, rng):
    """It returns the true motion where it sees the very frames; otherwise that of the clip nearest to them."""
    chosen = [(pair, motion) for pair, motion in entries if pair.key.endswith("-0")]
    videos = [
        FeatureRecord.of(rng.normal(size=(FRAMES, 6)).astype(np.float32), np.arange(FRAMES) / 4)
        for _ in chosen
    ]
    check = PlausibilityCheck([pair for pair, _ in chosen], [len(motion) for _, motion in chosen])

    def react(shown, number):
        nearest = [np.argmin([np.abs(one.frames - video.frames).sum() for video in videos]) for one in shown]
        return [chosen[row][1] for row in nearest]

    done = []
    check.judge("generated", react(videos, 0))
    judge_controls(check, videos, react, rng, lambda at, total, note="": done.append((at, total)))
    answers = check.result().answers
    assert answers["generated"].shares["all"].share == 1
    assert answers["other_clip"].shares["reaction"].share == 0
    assert answers["other_clip"].shares["all"].share == 0
    for name in ("one_frame", "reversed", "shuffled"):
        assert answers[name].shares["reaction"].share < 0.4, name
    assert done[-1] == (4, 4)
