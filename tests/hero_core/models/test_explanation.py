import numpy as np
import torch

from hero_core.models.base import VideoFeatures
from hero_core.models.explanation import Explained, Explains, Explanation, explain
from hero_core.motion.format import MOTION_DIM

VIDEOS = VideoFeatures(torch.zeros(2, 3, 5), torch.zeros(2, 5), torch.zeros(2, 3))
MOTIONS = [np.full((length, MOTION_DIM), length, np.float32) for length in (12, 4)]


class Telling:
    """Says which frames it was given, to see what reaches it."""

    def explain(self, condition: VideoFeatures, motion: torch.Tensor, lengths: torch.Tensor) -> Explanation:
        assert motion.shape == (2, 12, MOTION_DIM)
        assert not motion[1, 4:].any()
        tokens = motion[:, ::4, :2].long()  # (b, m, 2)
        return Explanation(torch.eye(3)[:2], None, tokens)


def test_every_reaction_gets_what_is_its_own() -> None:
    assert isinstance(Telling(), Explains)
    first, second = explain(Telling(), VIDEOS, MOTIONS)
    assert first.tokens is not None
    assert second.tokens is not None
    np.testing.assert_array_equal(first.tokens, np.full((3, 2), 12))
    np.testing.assert_array_equal(second.tokens, np.full((1, 2), 4))
    np.testing.assert_array_equal(second.frame_weights, [0, 1, 0])
    assert second.attention is None


def test_a_generator_without_the_method_explains_nothing() -> None:
    assert explain(object(), VIDEOS, MOTIONS) == [Explained(), Explained()]
