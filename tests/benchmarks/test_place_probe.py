import torch

from benchmarks.place_probe import PlaceProbe, patch_of
from pipeline.minivimo.sight import PLACES

GRID = 3
NAN = float("nan")


def test_patches_are_counted_row_by_row():
    places = torch.tensor([[-1.0, -1.0], [1.0, -0.9], [0.0, 0.0], [-0.9, 1.0], [1.0, 1.0], [NAN, NAN]])
    assert patch_of(places, GRID).tolist() == [0, 2, 4, 6, 8, 9]


def test_it_learns_to_point():
    """Patches that carry their thing's own direction are told from the others, and nothing is found where none is."""
    rng = torch.Generator().manual_seed(0)
    count, kinds = 64, len(PLACES)
    places = 2 * torch.rand(count, kinds, 2, generator=rng) - 1
    places[torch.rand(count, kinds, generator=rng) < 0.5] = NAN
    truth = patch_of(places, GRID)  # (n, kinds)
    patches = 0.1 * torch.randn(count, GRID**2, kinds, generator=rng)
    patches += torch.nn.functional.one_hot(truth, GRID**2 + 1)[..., :-1].mT
    probe = PlaceProbe(kinds, GRID)
    optimiser = torch.optim.Adam(probe.parameters(), 0.1)
    losses = []
    for _ in range(60):
        each = probe.losses(patches, places)
        assert each.shape == (kinds,)
        optimiser.zero_grad()
        each.sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(each.mean().item())
    assert losses[-1] < 0.2 * losses[0]
