"""Tests of hero_core.models.lengths."""

import pytest
import torch

from hero_core.errors import InputError
from hero_core.models.base import VideoFeatures
from hero_core.models.lengths import whole_lengths


def videos(count: int) -> VideoFeatures:
    return VideoFeatures(torch.zeros(count, 16, 8), torch.zeros(count, 8), torch.zeros(count, 16))


def test_lengths_are_rounded_down_to_whole_tokens() -> None:
    assert whole_lengths(videos(3), torch.tensor([4, 43, 80]), 80) == [4, 40, 80]


@pytest.mark.parametrize(
    ("lengths", "complaint"),
    [
        (None, "does not choose"),
        ([4], "2 videos need as many lengths"),
        ([4, 3], "a reaction of 3 frames"),
        ([84, 4], "ask for 4 to 80 frames"),
    ],
)
def test_impossible_lengths_are_refused(lengths: list[int] | None, complaint: str) -> None:
    given = None if lengths is None else torch.tensor(lengths)
    with pytest.raises(InputError, match=complaint):
        whole_lengths(videos(2), given, 80)
