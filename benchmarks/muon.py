"""Muon (Jordan et al. 2024) in float32: ``torch.optim.Muon`` computes in bfloat16, which most CPUs only emulate."""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

_MOMENTUM = 0.95
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Steps along the nearest orthogonal matrix to each matrix's Nesterov momentum, as long as AdamW's steps are."""

    def __init__(self, matrices: Iterable[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step of every matrix that has a gradient."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    alike[matrix.shape].append(matrix)
            for shape, matrices in alike.items():
                updates = orthogonalise(torch.stack([self._momentum(matrix) for matrix in matrices]))
                for matrix, update in zip(matrices, updates, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"])
                    matrix.sub_(update, alpha=group["lr"] * 0.2 * max(shape) ** 0.5)

    def _momentum(self, matrix: nn.Parameter) -> Tensor:
        gradient, state = matrix.grad, self.state[matrix]
        assert gradient is not None
        average: Tensor = state.setdefault("average", torch.zeros_like(matrix))
        average.lerp_(gradient, 1 - _MOMENTUM)
        return gradient.lerp(average, _MOMENTUM)


def orthogonalise(matrices: Tensor) -> Tensor:
    """About the nearest orthogonal matrices to ``(n, rows, columns)``, by Newton-Schulz iteration."""
    wide = matrices.shape[1] <= matrices.shape[2]
    x: Tensor = matrices if wide else matrices.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide else x.mT
