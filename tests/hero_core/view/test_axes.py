import numpy as np
import pytest

from hero_core.view.axes import exact_axis, linear_axis, log_axis, short


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (2.4, 5.6, ["2", "3", "4", "5", "6"]),
        (0.054, 0.448, ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]),  # near zero, so from zero
        (5e-5, 1e-3, ["0", "2e-4", "4e-4", "6e-4", "8e-4", "1e-3"]),
        (-3, 7, ["-4", "-2", "0", "2", "4", "6", "8"]),
    ],
)
def test_linear_ticks_are_round_and_hold_the_numbers(low, high, labels):
    axis = linear_axis(low, high, 6)
    assert axis.labels() == labels
    assert axis.low <= low < high <= axis.high


@pytest.mark.parametrize("value", [0.0, 3.0, -2e-4, 1e9])
def test_a_constant_has_an_axis_around_it(value):
    axis = linear_axis(value, value, 6)
    assert axis.low < value < axis.high
    assert len(axis.ticks) >= 3


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (9.5, 56, ["5", "10", "20", "50", "100"]),
        (0.01, 90, ["0.01", "0.1", "1", "10", "100"]),
        (1e-9, 1e5, ["1e-9", "1e-6", "0.001", "1", "1000", "1M"]),
    ],
)
def test_logarithmic_ticks(low, high, labels):
    axis = log_axis(low, high, 6)
    assert axis.labels() == labels
    np.testing.assert_allclose(axis.share([axis.low, (axis.low * axis.high) ** 0.5, axis.high]), [0, 0.5, 1])


@pytest.mark.parametrize("seed", range(5))
def test_axes_hold_any_numbers_and_have_few_ticks(seed):
    rng = np.random.default_rng(seed)
    for low, high in np.sort(10.0 ** rng.uniform(-8, 8, (200, 2)), axis=1).tolist():
        for axis in (linear_axis(low, high, 6), log_axis(low, high, 6)):
            shares = axis.share([low, high])
            assert (shares >= -1e-9).all()
            assert (shares <= 1 + 1e-9).all()
            assert 2 <= len(axis.ticks) <= 8
        assert len(exact_axis(0, high, 5).ticks) in range(2, 7)


def test_steps_begin_and_end_where_they_do():
    axis = exact_axis(0, 1600, 5)
    assert (axis.low, axis.high, axis.labels()) == (0, 1600, ["0", "500", "1000", "1500"])


def test_short_numbers():
    numbers = (0, 0.049666, 2.5e-4, 1234.6, 12500, 3e6, -17.6096)
    assert [short(number) for number in numbers] == [
        "0",
        "0.04967",
        "2.5e-4",
        "1235",
        "12.5k",
        "3M",
        "-17.61",
    ]
