import pytest
import torch
from torch import nn

from trainer.averages import WARMUP_STEPS, Averages


@pytest.fixture
def module():
    torch.manual_seed(0)
    return nn.Linear(3, 2)


def test_a_short_run_is_averaged_over_its_last_tenth(module):
    averages = Averages(module, 0.999)
    expected = module.weight.detach().clone()
    for step in range(1, 6):
        with torch.no_grad():
            module.weight.fill_(step)
        averages.update(step)
        decay = step / (step + WARMUP_STEPS)
        expected = decay * expected + (1 - decay) * step
    torch.testing.assert_close(averages.values["weight"], expected)


def test_a_long_run_is_averaged_with_the_decay(module):
    averages = Averages(module, 0.5)
    before = averages.values["weight"].clone()
    with torch.no_grad():
        module.weight.fill_(1.0)
    averages.update(10**6)
    torch.testing.assert_close(averages.values["weight"], 0.5 * before + 0.5)


def test_without_warm_up_the_decay_holds_from_the_first_step(module):
    averages = Averages(module, 0.9, warmup=False)
    before = averages.values["weight"].clone()
    with torch.no_grad():
        module.weight.fill_(1.0)
    averages.update(1)
    torch.testing.assert_close(averages.values["weight"], 0.9 * before + 0.1)


def test_the_module_has_them_only_inside_the_block(module):
    averages = Averages(module, 0.9)
    average = averages.values["weight"].clone()
    with torch.no_grad():
        module.weight.fill_(7.0)
    with averages.applied():
        assert torch.equal(module.weight, average)
    assert torch.equal(module.weight, torch.full((2, 3), 7.0))


def test_they_come_back(module):
    averages = Averages(module, 0.9)
    averages.load({"weight": torch.ones(2, 3), "bias": torch.zeros(2)})
    with averages.applied():
        assert torch.equal(module.weight, torch.ones(2, 3))
