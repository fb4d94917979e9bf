import pytest
import torch

from benchmarks.key_frames import look_of

TIMES = torch.arange(8)[None] * 1.0  # (1, 8), of which one is within half a second of 3.2 s


def test_even_and_sharp_attention():
    even = torch.full((1, 2, 8), 1 / 8)
    assert look_of(even, TIMES, [3.2]) == pytest.approx((1.0, 1 / 8, 1 / 8))
    for frame, weight in ((3, 1.0), (4, 0.0)):
        sharp = torch.nn.functional.one_hot(torch.tensor([[frame, frame]]), 8).float()
        assert look_of(sharp, TIMES, [3.2]) == pytest.approx((0.0, weight, 1 / 8))
