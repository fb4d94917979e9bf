from itertools import islice

import numpy as np
import pytest

from benchmarks.mini_clips import DecodedClips, MixedPictures, WholeClips, decoded_clip, render_clip
from pipeline.decode.sampling import segment_centres
from pipeline.minivimo import sample_clip
from pipeline.minivimo.sight import PLACES, SIGHT_FIELDS, places, sight


def test_a_whole_clip_has_the_frames_that_the_pipeline_samples():
    clip = render_clip(7, 3, 64)
    plan = sample_clip(7, 3)
    assert clip.frames.shape == (16, 64, 64, 3)
    np.testing.assert_array_equal(
        clip.times_seconds, plan.frame_times_seconds[segment_centres(plan.frame_count)]
    )


@pytest.mark.parametrize("index", range(6))
def test_half_of_a_few_frames_are_around_the_event(index):
    clip = render_clip(7, index, 32, 20)
    assert clip.frames.shape == (20, 32, 32, 3)
    assert (np.diff(clip.times_seconds) >= 0).all()
    plan, times = clip.plan, clip.times_seconds
    assert 0 <= times[0] < times[-1] <= plan.duration_seconds
    around = (times >= plan.event_seconds - 0.6) & (times <= plan.event_seconds + plan.hold_seconds)
    assert around.sum() >= 10


def test_an_example_says_what_each_frame_shows_and_nothing_more():
    clip = render_clip(7, 4, 32, 6)
    example = clip.example()
    assert example._fields == ("frames", "sight", "places")
    assert example.sight.shape == (6, len(SIGHT_FIELDS))
    assert example.places.shape == (6, len(PLACES), 2)
    for time, seen, where in zip(clip.times_seconds, example.sight, example.places, strict=True):
        np.testing.assert_array_equal(seen, sight(clip.plan, float(time)))
        np.testing.assert_array_equal(where, places(clip.plan, float(time)))


def test_mixed_pictures_are_of_different_clips():
    example = next(iter(MixedPictures(1, 0, 32, 4)))
    assert example.frames.shape == (4, 32, 32, 3)
    assert example.sight.shape == (4, len(SIGHT_FIELDS))
    clips = [render_clip(1, index, 32, 8).example() for index in range(4)]
    known = {frame.tobytes(): told for clip in clips for frame, *told in zip(*clip, strict=True)}
    for frame, seen, where in zip(*example, strict=True):
        np.testing.assert_array_equal(known[frame.tobytes()][0], seen)
        np.testing.assert_array_equal(known[frame.tobytes()][1], where)
    sources = [
        clip
        for frame in example.frames
        for clip in range(4)
        if (clips[clip].frames == frame).all((1, 2, 3)).any()
    ]
    assert len(set(sources)) > 1


def test_every_picture_is_shown_about_twice():
    examples = list(islice(MixedPictures(1, 0, 16, 4), 160))
    frames = [frame.tobytes() for example in examples for frame in example.frames]
    assert 1.5 < len(frames) / len(set(frames)) < 3


@pytest.mark.parametrize(
    "stream", [lambda seed: MixedPictures(seed, 0, 32, 4), lambda seed: WholeClips(seed, 0, 32)]
)
def test_a_stream_depends_on_its_seed_alone(stream):
    first, again, other = (list(islice(stream(seed), 3)) for seed in (1, 1, 2))
    assert all(np.array_equal(a.frames, b.frames) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].frames, other[0].frames)


def test_through_mp4_the_sampled_frames_stay_what_they_were(tmp_path):
    clip = decoded_clip(7, 5, 64, tmp_path)
    assert clip.frames.shape == (16, 64, 64, 3)
    plan = sample_clip(7, 5)
    assert 0 <= clip.times_seconds[0] < clip.times_seconds[-1] <= plan.duration_seconds
    rendered = render_clip(7, 5, 64)
    np.testing.assert_allclose(clip.times_seconds, rendered.times_seconds, atol=0.02)
    assert np.abs(clip.frames.astype(float) - rendered.frames.astype(float)).mean() < 8


def test_decoded_clips_by_number_leave_no_file(tmp_path):
    clips = DecodedClips(7, 9, 32, tmp_path)
    assert len(clips) == 9
    np.testing.assert_array_equal(clips[5].frames, decoded_clip(7, 5, 32, tmp_path).frames)
    assert not list(tmp_path.iterdir())
