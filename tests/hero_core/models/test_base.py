import numpy as np
import pytest
import torch

from hero_core.models.base import Batch, VideoFeatures
from hero_core.records import FeatureRecord


def record(first_second: float) -> FeatureRecord:
    frames = np.random.default_rng(int(first_second)).normal(size=(4, 6)).astype(np.float32)
    return FeatureRecord.of(frames, first_second + np.arange(4) / 2)


def test_videos_are_stacked_and_timed_from_the_first_frame_of_their_motion() -> None:
    records = [record(0.0), record(3.0)]
    features = VideoFeatures.of(records, start_frames=[0, 50])
    assert features.frames.shape == (2, 4, 6)
    torch.testing.assert_close(features.global_feature, features.frames.mean(dim=1))
    assert features.times[0].tolist() == [0.0, 0.5, 1.0, 1.5]
    assert features.times[1].tolist() == [0.5, 1.0, 1.5, 2.0]  # frame 50 of the motion is at 2.5 s
    assert VideoFeatures.of(records).times[1, 0] == 3.0


def test_a_batch_says_what_it_was_made_without() -> None:
    batch = Batch(("a",), torch.tensor([8]))
    with pytest.raises(ValueError, match="without videos"):
        _ = batch.video
    with pytest.raises(ValueError, match="without motions"):
        _ = batch.motion
    with pytest.raises(ValueError, match="not encoded"):
        _ = batch.tokens
    full = Batch(
        batch.keys, batch.lengths, torch.zeros(1, 8, 3), VideoFeatures.of([record(0.0)]), torch.zeros(1, 2, 3)
    )
    moved = full.to(torch.device("meta"))
    tensors = (moved.motion, moved.lengths, moved.tokens, *moved.video)
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert batch.to(torch.device("meta")).condition is None
