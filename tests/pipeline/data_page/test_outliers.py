import numpy as np
import pytest

from pipeline.data_page.outliers import OUTLIER, distances, most_unusual


def test_distances_are_standard_deviations_of_normal_numbers() -> None:
    values = np.random.default_rng(0).normal(7.0, 2.0, 100_001)
    found = distances(values, 0.0)
    np.testing.assert_allclose(found, np.abs(values - 7.0) / 2.0, atol=0.06)
    assert (found > OUTLIER).mean() == pytest.approx(
        0.000465, abs=0.0002
    )  # both tails of a normal distribution


def test_one_far_value_does_not_hide_itself() -> None:
    found = distances([1.0, 2.0, 3.0, 4.0, 1000.0], 0.0)
    np.testing.assert_allclose(found, np.array([2, 1, 0, 1, 997]) / 1.4826)


def test_what_does_not_matter_is_no_outlier() -> None:
    values = [0.0] * 9 + [0.01]
    assert distances(values, 0.1).max() == pytest.approx(0.1)
    np.testing.assert_array_equal(distances([5.0] * 3, 1.0), 0)


def test_what_is_not_known_stays_so() -> None:
    np.testing.assert_array_equal(distances([np.nan, np.nan], 1.0), np.nan)
    assert np.isnan(distances([1.0, np.nan, 3.0], 1.0)).tolist() == [False, True, False]


def test_the_farthest_measure_counts() -> None:
    numbers = [{"speed": 1.0, "head": 60.0}] * 8 + [{"speed": 3.0, "head": 30.0}, {"speed": 9.0}]
    found = most_unusual(numbers, {"speed": 1.0, "head": 2.0})
    assert found[0].score == 0
    assert found[8] == (15.0, "head")  # 30 cm, and 2 m/s
    assert found[9] == (8.0, "speed")
