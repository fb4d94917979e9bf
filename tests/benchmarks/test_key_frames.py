import pytest
import torch

from benchmarks.key_frames import frame_weights, look_of
from hero_core.models.base import VideoFeatures
from hero_core.models.generators.hero.intention import InteractionIntention

TIMES = torch.arange(8)[None] * 1.0  # (1, 8), of which one is within half a second of 3.2 s


def test_even_and_sharp_attention():
    even = torch.full((1, 2, 8), 1 / 8)
    assert look_of(even, TIMES, [3.2]) == pytest.approx((1.0, 1 / 8, 1 / 8))
    for frame, weight in ((3, 1.0), (4, 0.0)):
        sharp = torch.nn.functional.one_hot(torch.tensor([[frame, frame]]), 8).float()
        assert look_of(sharp, TIMES, [3.2]) == pytest.approx((0.0, weight, 1 / 8))


def test_the_weights_are_those_of_the_intention():
    torch.manual_seed(0)
    intention = InteractionIntention(16, heads=2).eval()
    videos = VideoFeatures(torch.randn(3, 8, 16), torch.randn(3, 16), TIMES.expand(3, -1))
    weights = frame_weights(intention, videos)
    assert weights.shape == (3, 2, 8)
    attention = intention.attention
    values = attention.look_at(intention.frames_norm(videos.frames)).values  # (b, h, t, e)
    gathered = attention.out(torch.einsum("bht,bhte->bhe", weights, values).flatten(1))
    query = intention.query_norm(videos.global_feature[:, None])
    expected = attention(query, intention.frames_norm(videos.frames))[:, 0]
    torch.testing.assert_close(gathered, expected, atol=1e-5, rtol=1e-5)
