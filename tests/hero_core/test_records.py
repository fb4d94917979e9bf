"""Records refuse a bad shape at birth."""

import numpy as np
import pytest

from hero_core.errors import InputError
from hero_core.records import Clip, FeatureRecord, MotionRecord, check_key


def features(**changes: object) -> FeatureRecord:
    values: dict[str, object] = {
        "key": "clip-1",
        "frames": np.zeros((16, 8), np.float32),
        "global_feature": np.zeros(8, np.float32),
        "timestamps_seconds": np.zeros(16),
        "fingerprint": "f",
    }
    return FeatureRecord(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["", "a.b", "a/b", "a b", "ä"])
def test_keys_are_safe_in_tars_and_hdf5(key: str) -> None:
    with pytest.raises(InputError, match="key"):
        check_key(key)


@pytest.mark.parametrize(
    "changes",
    [
        {"frames": np.zeros((16, 8, 1), np.float32)},
        {"global_feature": np.zeros(7, np.float32)},
        {"timestamps_seconds": np.zeros(15)},
        {"frames": np.full((16, 8), np.nan, np.float32)},
        {"frames": np.zeros((0, 8), np.float32), "timestamps_seconds": np.zeros(0)},
    ],
)
def test_features_refuse(changes: dict[str, object]) -> None:
    assert features().frames.shape == (16, 8)
    with pytest.raises(InputError, match="clip-1"):
        features(**changes)


@pytest.mark.parametrize(
    "vectors",
    [
        np.zeros((10, 262), np.float32),
        np.zeros((0, 263), np.float32),
        np.zeros((201, 263), np.float32),
        np.full((10, 263), np.inf, np.float32),
    ],
)
def test_motions_refuse(vectors: np.ndarray) -> None:
    assert MotionRecord("m", np.zeros((200, 263), np.float32), "m.npy").length == 200
    with pytest.raises(InputError, match=r"m\.npy"):
        MotionRecord("m", vectors, "m.npy")


def test_a_clip_has_frames() -> None:
    with pytest.raises(InputError, match="at least one frame"):
        Clip("k", "k.mp4", "b", "s", 0, 20.0, "0")
