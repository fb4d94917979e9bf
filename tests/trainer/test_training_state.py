import pytest
import torch
from torch import nn

from hero_core.errors import ConfigError, WeightsError
from trainer.training_state import Best, Position, Tally, Trainee, load_training_state, save_training_state

IDENTITY = {"task": "masked", "settings": "a", "data": "b"}


def trainee(seed, width=3):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width), nn.Linear(width, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    return Trainee(model, optimizer, torch.Generator().manual_seed(seed), torch.device("cpu"))


def learn(one, steps):
    for _ in range(steps):
        noise = torch.rand(8, 4, generator=one.rng) + torch.rand(8, 4)
        one.optimizer.zero_grad()
        one.module(noise).square().mean().backward()
        one.optimizer.step()


@pytest.fixture
def saved(tmp_path):
    one = trainee(0)
    learn(one, 3)
    position = Position(3, Best(0.1 + 0.2, 2), Tally(1, {"total": 1 / 3}))
    save_training_state(tmp_path / "state.safetensors", one, position, IDENTITY)
    return one, position, tmp_path / "state.safetensors"


def test_everything_comes_back(saved):
    one, position, path = saved
    learn(one, 4)
    expected = torch.get_rng_state()
    other = trainee(1)
    assert load_training_state(path, other, IDENTITY) == position
    learn(other, 4)
    assert torch.equal(torch.get_rng_state(), expected)
    for ours, theirs in zip(
        one.module.state_dict().values(), other.module.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_a_parameter_that_had_no_gradient_yet(tmp_path):
    one = trainee(0)
    one.optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))]})
    learn(one, 1)
    path = tmp_path / "state.safetensors"
    save_training_state(path, one, Position(1), IDENTITY)
    other = trainee(1)
    other.optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))]})
    assert load_training_state(path, other, IDENTITY) == Position(1)


def test_another_run_is_refused_by_name(saved):
    with pytest.raises(ConfigError, match="not the same data, settings"):
        load_training_state(saved[2], trainee(1), {**IDENTITY, "settings": "x", "data": "y"})


def test_another_model_is_refused(saved):
    with pytest.raises(WeightsError, match="does not fit"):
        load_training_state(saved[2], trainee(1, width=5), IDENTITY)


def test_damaged(saved):
    path = saved[2]
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(WeightsError, match="damaged"):
        load_training_state(path, trainee(1), IDENTITY)


def test_tally_means():
    tally = Tally()
    tally.add({"total": 1.0, "accuracy": 0.5})
    tally.add({"total": 2.0, "accuracy": 1.0})
    assert tally.means() == {"total": 1.5, "accuracy": 0.75}
