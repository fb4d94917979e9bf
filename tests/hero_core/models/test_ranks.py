import pytest
import torch

from hero_core.errors import InputError
from hero_core.models.ranks import ALONE
from tests.together import together

ROWS = torch.arange(12.0).view(4, 3) / 7
WEIGHTS = torch.tensor([0.3, -1.0, 2.0])


def loss_of(rows):
    """Of all rows together, so that no row has a gradient of its own."""
    return (rows @ rows.T).exp().sum().log()


def gradient_of(weights, rows, gather):
    weights = weights.clone().requires_grad_()
    loss = loss_of(gather(rows * weights))
    loss.backward()
    return loss.detach(), weights.grad


def fail():
    raise InputError("not here")


def work(ranks):
    assert (ranks.world, ranks.first) == (2, ranks.rank == 0)
    own = ranks.own(ROWS)
    assert torch.equal(own, ROWS[2 * ranks.rank :][:2])
    assert torch.equal(ranks.gather(own), ROWS)

    loss, gradient = gradient_of(WEIGHTS, own, ranks.gather)
    expected = gradient_of(WEIGHTS, ROWS, ALONE.gather)
    ranks.average_([loss, gradient])
    torch.testing.assert_close((loss, gradient), expected)

    assert ranks.any(ranks.rank == 1)
    assert not ranks.any(False)
    assert ranks.on_first(lambda: {"rank": ranks.rank}) == {"rank": 0}
    with pytest.raises(InputError, match="not here"):
        ranks.on_first(fail)
    ranks.wait()


def test_two_ranks_share_rows_gradients_and_what_the_first_finds(tmp_path):
    together(work, tmp_path)


def test_a_process_alone_has_all_rows():
    assert (ALONE.rank, ALONE.world, ALONE.first) == (0, 1, True)
    assert ALONE.own(ROWS) is ALONE.gather(ROWS) is ROWS
    values = ROWS.clone()
    ALONE.average_([values])
    assert torch.equal(values, ROWS)
    assert [ALONE.any(True), ALONE.any(False)] == [True, False]
    assert ALONE.on_first(lambda: 3) == 3
    with pytest.raises(InputError):
        ALONE.on_first(fail)
