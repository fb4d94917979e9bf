from dataclasses import replace

import numpy as np

from trainer.eval.measure import of_other_clips


def test_every_pair_gets_the_features_of_a_clip_with_another_answer_at_its_own_times(data):
    samples = list(data.held_out("test"))
    shown = of_other_clips(samples, 0)
    videos = {sample.video.frames.tobytes(): sample.pair for sample in samples}
    for own, other in zip(samples, shown, strict=True):
        assert other.pair == own.pair
        assert videos[other.video.frames.tobytes()].truth.reaction != own.pair.truth.reaction
        np.testing.assert_array_equal(other.video.timestamps_seconds, own.video.timestamps_seconds)


def test_without_right_answers_it_is_still_another_clip_and_each_clip_once(data):
    samples = [
        sample._replace(pair=replace(sample.pair, truth=None))
        for sample in data.held_out("test").unique_clips()
    ]
    shown = of_other_clips(samples, 0)
    frames = [[sample.video.frames.tobytes() for sample in each] for each in (samples, shown)]
    assert all(own != other for own, other in zip(*frames, strict=True))
    assert sorted(frames[0]) == sorted(frames[1])


def test_a_single_clip_has_no_other(data):
    samples = list(data.held_out("test"))
    clip = samples[0].pair.clip_key
    assert of_other_clips([sample for sample in samples if sample.pair.clip_key == clip], 0) is None
