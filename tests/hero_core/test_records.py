"""Records refuse a bad shape when they are made."""

import numpy as np
import pytest

from hero_core.errors import InputError
from hero_core.records import FeatureRecord, MotionRecord, Pair, Truth, check_key


def features(**changes: np.ndarray) -> FeatureRecord:
    values = {
        "frames": np.zeros((16, 8), np.float32),
        "global_feature": np.zeros(8, np.float32),
        "timestamps_seconds": np.zeros(16),
    }
    return FeatureRecord(**(values | changes))


@pytest.mark.parametrize("key", ["", "a.b", "a/b", "a b", "ä"])
def test_keys_are_safe_in_tars_and_hdf5(key: str) -> None:
    with pytest.raises(InputError, match="key"):
        check_key(key)
    with pytest.raises(InputError, match="key"):
        Pair(key, None, "m", "train", "b", "s", "v", "m.npy", 40)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"frames": np.zeros((16, 8, 1), np.float32)}, r"expected frames \(t, d\)"),
        ({"global_feature": np.zeros(7, np.float32)}, r"global \(d,\)"),
        ({"timestamps_seconds": np.zeros(15)}, r"timestamps \(t,\)"),
        ({"frames": np.full((16, 8), np.nan, np.float32)}, "NaN"),
        ({"global_feature": np.full(8, np.inf, np.float32)}, "infinite"),
        ({"frames": np.zeros((0, 8), np.float32), "timestamps_seconds": np.zeros(0)}, "got"),
    ],
)
def test_features_refuse(changes: dict[str, np.ndarray], problem: str) -> None:
    assert features().frames.shape == (16, 8)
    with pytest.raises(InputError, match=problem):
        features(**changes)


def test_the_global_feature_is_the_mean_before_rounding() -> None:
    frames = np.random.default_rng(0).normal(size=(16, 8)).astype(np.float32) * 100
    record = FeatureRecord.of(frames, np.arange(16) / 4, dtype="float16")
    assert {array.dtype.name for array in (record.frames, record.global_feature)} == {"float16"}
    np.testing.assert_array_equal(record.global_feature, frames.mean(axis=0).astype(np.float16))
    assert (record.global_feature != frames.astype(np.float16).mean(axis=0)).any()
    assert record.arrays().keys() == {"frames", "global", "timestamps_seconds"}


@pytest.mark.parametrize(
    ("vectors", "problem"),
    [
        (np.zeros((10, 262), np.float32), r"\(n, 263\), got \(10, 262\)"),
        (np.zeros((0, 263), np.float32), "1 to 200 frames, got 0"),
        (np.zeros((201, 263), np.float32), "1 to 200 frames, got 201"),
        (np.full((10, 263), np.inf, np.float32), "infinite"),
    ],
)
def test_motions_refuse(vectors: np.ndarray, problem: str) -> None:
    assert MotionRecord(np.zeros((200, 263), np.float32)).length == 200
    with pytest.raises(InputError, match=problem):
        MotionRecord(vectors)


def test_only_a_reaction_with_an_onset_is_a_movement() -> None:
    assert Truth("dodge", "left", 0.5).moves
    assert not Truth("stand", "none", 0.0).moves
