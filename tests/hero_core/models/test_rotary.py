import math

import torch

from hero_core.models.rotary import LONGEST_PERIOD_SECONDS, SHORTEST_PERIOD_SECONDS, Rotation


def test_products_depend_on_the_time_between_two_vectors_only() -> None:
    a, b = torch.randn(2, 1, 16, dtype=torch.float64)
    products = [
        (
            Rotation.of(torch.tensor([t], dtype=torch.float64), 16)(a)
            * Rotation.of(torch.tensor([t + 0.7]), 16)(b)
        ).sum()
        for t in (0.0, 1.3, 9.0)
    ]
    torch.testing.assert_close(torch.stack(products), products[0].expand(3), atol=1e-4, rtol=1e-4)
    elsewhere = (a * Rotation.of(torch.tensor([0.9]), 16)(b)).sum()
    assert abs(elsewhere - products[0]) > 1e-3


def test_turns_by_the_stated_periods_and_keeps_lengths() -> None:
    x = torch.randn(3, 5, 8)
    rotation = Rotation.of(torch.tensor([0.0, 0.2, 0.8, 3.0, 24.0]), 8)
    turned = rotation(x)
    torch.testing.assert_close(turned[:, 0], x[:, 0])  # at 0 s
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    fastest, slowest = [0, 4], [3, 7]
    torch.testing.assert_close(turned[:, 2, fastest], x[:, 2, fastest], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(turned[:, 4, slowest], x[:, 4, slowest], atol=1e-5, rtol=1e-5)
    quarter = math.cos(2 * math.pi * 0.2 / SHORTEST_PERIOD_SECONDS)
    assert abs(float(rotation.cos[1, 0]) - quarter) < 1e-6
    assert LONGEST_PERIOD_SECONDS == 30 * SHORTEST_PERIOD_SECONDS
