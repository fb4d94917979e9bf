from itertools import islice

import numpy as np
import pytest

from benchmarks.mini_clips import SIDES, TrainingClips, decoded_clip, render_clip, shows_event
from hero_core.minivimo.interactions import REACTIONS
from pipeline.minivimo import sample_clip


def test_the_event_fills_a_short_part_of_the_clip():
    plans = [sample_clip(4, index) for index in range(120)]
    shares = [shows_event(plan, plan.frame_times_seconds).mean() for plan in plans]
    assert min(shares) > 0.15
    assert np.mean(shares) < 0.5
    for plan in plans:
        before, at = shows_event(plan, np.array([plan.event_seconds - 0.5, plan.event_seconds]))
        assert (before, at) == (False, True)


@pytest.mark.parametrize("frames", [4, 8, 16])
def test_a_clip_and_what_is_true_of_it(frames):
    clip = render_clip(7, 3, frames, 64)
    assert clip.frames.shape == (frames if frames == 16 else frames + frames // 2, 64, 64, 3)
    assert (np.diff(clip.times_seconds) >= 0).all()
    example = clip.example()
    assert REACTIONS[example.reaction] == clip.plan.interaction.reaction
    assert SIDES[example.side] == clip.plan.side
    assert 0 < example.onset < 1
    shown = example.phase == 1
    assert np.array_equal(example.shown_reaction, np.where(shown, example.reaction, len(REACTIONS)))
    assert (example.shown_side[~shown] == SIDES.index("none")).all()
    assert (np.diff(example.phase) >= 0).all()
    assert shown.sum() >= (1 if frames == 16 else frames // 2)


def test_variations_keep_what_is_true():
    clip = render_clip(7, 4, 8, 64)
    varied = clip.varied(np.random.default_rng(0), 8)
    assert varied.frames.shape == (8, 64, 64, 3)
    assert set(varied.times_seconds) <= set(clip.times_seconds)
    difference = np.abs(varied.frames.astype(float).mean() - clip.frames.astype(float).mean())
    assert 0 < difference < 60


def test_the_stream_depends_on_its_seed_alone():
    first, again, other = (list(islice(TrainingClips(seed, 0, 4, 32), 6)) for seed in (1, 1, 2))
    assert all(np.array_equal(a.frames, b.frames) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].frames, other[0].frames)


def test_through_mp4_the_sampled_frames_stay_what_they_were(tmp_path):
    clip = decoded_clip(7, 5, 64, tmp_path)
    assert clip.frames.shape == (16, 64, 64, 3)
    plan = sample_clip(7, 5)
    assert 0 <= clip.times_seconds[0] < clip.times_seconds[-1] <= plan.duration_seconds
    rendered = render_clip(7, 5, 16, 64)
    np.testing.assert_allclose(clip.times_seconds, rendered.times_seconds, atol=0.02)
    assert np.abs(clip.frames.astype(float) - rendered.frames.astype(float)).mean() < 8
