import pytest
import torch

from benchmarks.muon import Muon, orthogonalise


@pytest.mark.parametrize("shape", [(16, 16), (16, 48), (48, 16)])
def test_singular_values_become_about_one_and_directions_stay(shape):
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    near = orthogonalise(matrices)
    values = torch.linalg.svdvals(near)
    assert values.min() > 0.5
    assert values.max() < 1.3
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    alignment = torch.nn.functional.cosine_similarity((left @ right).flatten(1), near.flatten(1))
    assert alignment.min() > 0.95


def test_it_descends_and_a_matrix_without_gradient_stays():
    rng = torch.Generator().manual_seed(1)
    goal, idle = torch.randn(8, 12, generator=rng), torch.nn.Parameter(torch.ones(8, 12))
    matrix = torch.nn.Parameter(torch.zeros(8, 12))
    optimiser = Muon([matrix, idle], lr=0.1, weight_decay=0.0)
    for step in range(200):
        optimiser.param_groups[0]["lr"] = 0.1 * (1 - step / 200)
        optimiser.zero_grad()
        (matrix - goal).square().sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert (matrix - goal).norm() < 0.1 * goal.norm()
    assert torch.equal(idle, torch.ones(8, 12))


def test_weights_decay_with_the_rate():
    matrix = torch.nn.Parameter(torch.eye(4))
    matrix.grad = torch.zeros(4, 4)
    Muon([matrix], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(matrix.detach(), 0.95 * torch.eye(4))
