"""Tests of hero_core.models.positions."""

import math

import pytest

from hero_core.models.positions import sinusoidal_positions


def test_positions_are_sines_and_cosines() -> None:
    positions = sinusoidal_positions(7, 4)
    assert positions[5].tolist() == pytest.approx(
        [math.sin(5), math.cos(5), math.sin(5 / 100), math.cos(5 / 100)], abs=1e-6
    )
