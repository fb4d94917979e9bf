"""Moving averages of weights, which are often better than the last ones."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

WARMUP_STEPS = 10
"""At the start the average covers a tenth of the steps so far, so that the initial weights are soon forgotten."""


class Averages:
    """The exponential moving average of every trained weight of a module."""

    def __init__(self, module: nn.Module, decay: float, warmup: bool = True) -> None:
        """Start from the weights as they are.

        Args:
            module: whose weights are averaged.
            decay: what one step keeps.
            warmup: keep less at the start, see :data:`WARMUP_STEPS`.
        """
        self._decay, self._warmup = decay, warmup
        self._weights = {
            name: weight.detach() for name, weight in module.named_parameters() if weight.requires_grad
        }
        self.values = {name: weight.clone() for name, weight in self._weights.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after ``step`` steps."""
        decay = min(self._decay, step / (step + WARMUP_STEPS)) if self._warmup else self._decay
        torch._foreach_lerp_(list(self.values.values()), list(self._weights.values()), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The module has the averages in place of its weights."""
        before = {name: weight.clone() for name, weight in self._weights.items()}
        _copy(self.values, self._weights)
        try:
            yield
        finally:
            _copy(before, self._weights)

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Go on from saved averages."""
        _copy(values, self.values)


@torch.no_grad()
def _copy(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    for name, value in target.items():
        value.copy_(source[name])
