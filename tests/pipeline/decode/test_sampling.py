import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_core.errors import InputError
from pipeline.decode.sampling import segment_centres


@given(frame_count=st.integers(1, 100_000), samples=st.integers(1, 64))
def test_indices_are_valid_and_in_order(frame_count: int, samples: int) -> None:
    indices = segment_centres(frame_count, samples)
    assert indices.shape == (samples,)
    assert indices.dtype == np.int64
    assert indices.min() >= 0
    assert indices.max() < frame_count
    assert (np.diff(indices) >= 0).all()


@given(frame_count=st.integers(1, 10_000), samples=st.integers(1, 64))
def test_each_segment_gives_one_frame(frame_count: int, samples: int) -> None:
    edges = np.arange(samples + 1) * frame_count / samples
    indices = segment_centres(frame_count, samples)
    assert (indices + 1 > edges[:-1]).all()
    assert (indices <= edges[1:]).all()


def test_known_indices() -> None:
    assert segment_centres(16).tolist() == list(range(16))
    assert segment_centres(1).tolist() == [0] * 16
    assert segment_centres(32).tolist() == list(range(1, 32, 2))
    assert segment_centres(45, 4).tolist() == [5, 16, 28, 39]


def test_short_clips_repeat_frames() -> None:
    assert sorted(set(segment_centres(5).tolist())) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("frame_count", "samples"), [(0, 16), (-3, 16), (10, 0)])
def test_nothing_to_take_is_refused(frame_count: int, samples: int) -> None:
    with pytest.raises(InputError, match="at least 1"):
        segment_centres(frame_count, samples)
