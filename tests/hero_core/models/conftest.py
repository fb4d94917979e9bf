from collections.abc import Callable

import pytest
import torch
from torch import Tensor


class Replays:
    """A recorder without a GPU: it does again, on the same memory, what it was given."""

    def __init__(self) -> None:
        self.recordings = 0

    def unrecorded(self, function: Callable[[], Tensor]) -> Tensor:
        return function()

    def record(
        self, function: Callable[[], Tensor], rng: torch.Generator | None = None
    ) -> Callable[[], Tensor]:
        self.recordings += 1
        return function


@pytest.fixture
def replays() -> Replays:
    return Replays()
