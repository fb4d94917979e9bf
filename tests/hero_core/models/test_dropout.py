import pytest
import torch

from hero_core.models.dropout import Dropout, kept


@pytest.mark.parametrize("p", [0.004, 0.1, 0.2, 0.5, 0.9])
def test_the_asked_share_is_dropped_and_the_mean_stays(p):
    torch.manual_seed(0)
    mask = kept(torch.Size((1000, 1001)), p)
    assert (mask == 0).float().mean() == pytest.approx(p, abs=1 / 512 + 1e-3)
    assert mask.double().mean() == pytest.approx(1, abs=0.04)
    assert len(mask.unique()) == 2


def test_masks_are_independent_and_come_from_the_global_generator():
    torch.manual_seed(1)
    first, second = (kept(torch.Size((64, 999)), 0.5) - 1 for _ in range(2))
    assert abs(float((first * second).mean())) < 0.02
    assert abs(float((first[:, 1:] * first[:, :-1]).mean())) < 0.02
    assert abs(float((first[:, 8:] * first[:, :-8]).mean())) < 0.02
    torch.manual_seed(1)
    assert torch.equal(kept(torch.Size((64, 999)), 0.5) - 1, first)


def test_gradients_pass_where_values_do():
    torch.manual_seed(2)
    x = torch.ones(40, 7, requires_grad=True)
    y = Dropout(0.25)(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_nothing_is_dropped_in_evaluation_or_with_p_zero():
    x = torch.randn(5, 3)
    assert torch.equal(Dropout(0.4).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)


def test_it_keeps_the_type():
    assert Dropout(0.5)(torch.ones(9, dtype=torch.float64)).dtype == torch.float64
