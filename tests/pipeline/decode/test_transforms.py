import numpy as np
import pytest

from hero_core.errors import InputError
from pipeline.decode.transforms import normalise, resize_frame

MEAN = np.array([123.675, 116.28, 103.53])
STD = np.array([58.395, 57.12, 57.375])


def random_frames(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


def test_normalise_is_the_formula_and_puts_channels_first() -> None:
    frames = random_frames(2, 5, 7)
    normalised = normalise(frames)
    assert normalised.shape == (2, 3, 5, 7)
    assert normalised.dtype == np.float32
    expected = ((frames - MEAN) / STD).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(normalised, expected, atol=1e-6)


def test_normalise_keeps_red_first() -> None:
    red = np.zeros((1, 1, 1, 3), np.uint8)
    red[..., 0] = 255
    values = normalise(red)[0, :, 0, 0]
    np.testing.assert_allclose(values, [2.2489, -2.0357, -1.8044], atol=1e-4)


@pytest.mark.parametrize("shape", [(3, 3), (1080, 16), (16, 1921), (224, 224)])
def test_resize_squashes_any_shape(shape: tuple[int, int]) -> None:
    resized = resize_frame(random_frames(*shape), 32)
    assert resized.shape == (32, 32, 3)
    assert resized.dtype == np.uint8


def test_resize_leaves_a_frame_of_the_right_size_alone() -> None:
    frame = random_frames(24, 24)
    np.testing.assert_array_equal(resize_frame(frame, 24), frame)


def test_resize_interpolates_between_neighbours() -> None:
    frame = np.zeros((1, 2, 3), np.uint8)
    frame[0, 1] = 200
    row = resize_frame(frame, 8)[0, :, 0].astype(int)
    assert row[0] == 0
    assert row[-1] == 200
    assert (np.diff(row) >= 0).all()
    assert row[3] + row[4] == 200  # symmetric about the middle


@pytest.mark.parametrize(
    "bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)]
)
def test_other_pictures_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(InputError, match="uint8 RGB"):
        resize_frame(bad)
    with pytest.raises(InputError, match="uint8 RGB"):
        normalise(bad[None])
