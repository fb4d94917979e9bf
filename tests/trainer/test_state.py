import pytest
import torch
from torch import nn

from hero_core.errors import ConfigError, WeightsError
from hero_core.models.checkpoint import Snapshot, unpack
from tests.damage import damages
from trainer.state import Best, Tally, TrainingState, require_same_run

IDENTITY = {"part": "masked", "settings": "a", "data": "b"}


def fresh(seed, width=3):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width), nn.Linear(width, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    return TrainingState(model, optimizer, torch.Generator().manual_seed(seed), torch.device("cpu"))


def learn(one, steps):
    for _ in range(steps):
        noise = torch.rand(8, 4, generator=one.rng) + torch.rand(8, 4)
        one.optimizer.zero_grad()
        one.module(noise).square().mean().backward()
        one.optimizer.step()


@pytest.fixture
def saved(tmp_path):
    one = fresh(0)
    learn(one, 3)
    one.step, one.best, one.tally = 3, Best(0.1 + 0.2, 2), Tally(1, {"total": 1 / 3})
    (tmp_path / "state.safetensors").write_bytes(one.snapshot(IDENTITY).to_bytes())
    return one, tmp_path / "state.safetensors"


def test_everything_comes_back(saved):
    one, path = saved
    learn(one, 4)
    expected = torch.get_rng_state()
    other = fresh(1)
    other.load(path, IDENTITY)
    assert (other.step, other.best, other.tally) == (3, Best(0.1 + 0.2, 2), Tally(1, {"total": 1 / 3}))
    learn(other, 4)
    assert torch.equal(torch.get_rng_state(), expected)
    states = one.module.state_dict().values(), other.module.state_dict().values()
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*states, strict=True))


def test_a_parameter_that_had_no_gradient_yet(tmp_path):
    one, other = fresh(0), fresh(1)
    for each in (one, other):
        each.optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))]})
    learn(one, 1)
    one.step = 1
    (tmp_path / "state.safetensors").write_bytes(one.snapshot(IDENTITY).to_bytes())
    other.load(tmp_path / "state.safetensors", IDENTITY)
    assert (other.step, other.best) == (1, None)


def test_another_run_is_refused_by_name(saved):
    other = {**IDENTITY, "settings": "x", "data": "y"}
    for refuse in (fresh(1).load, require_same_run):
        with pytest.raises(ConfigError, match="not the same data, settings"):
            refuse(saved[1], other)
    require_same_run(saved[1], IDENTITY)


def test_another_model_is_refused(saved):
    with pytest.raises(WeightsError, match="do not fit"):
        fresh(1, width=5).load(saved[1], IDENTITY)


def test_damaged(saved):
    path = saved[1]
    path.write_bytes(path.read_bytes()[:200])
    for read in (fresh(1).load, require_same_run):
        with pytest.raises(WeightsError, match="damaged"):
            read(path, IDENTITY)


def test_damage_is_an_error_or_changes_nothing(saved):
    one, path = saved
    for _ in damages(path, 300):
        for read in (fresh(1).load, require_same_run):
            try:
                read(path, IDENTITY)
            except (WeightsError, ConfigError) as error:
                assert str(path.parent) in str(error)  # noqa: PT017
        other = fresh(1)
        try:
            other.load(path, IDENTITY)
        except WeightsError:
            continue
        assert (other.step, other.best, other.tally) == (one.step, one.best, one.tally)
        assert all(map(torch.equal, other.module.state_dict().values(), one.module.state_dict().values()))
        assert torch.equal(other.rng.get_state(), one.rng.get_state())


def test_a_state_without_its_parts_is_damaged(saved):
    header, tensors = unpack(saved[1].read_bytes(), saved[1])
    without = {name: tensor for name, tensor in tensors.items() if not name.startswith("random")}
    strange = {**tensors, "something": tensors["random.cpu"]}
    shorter = {**tensors, "random.cpu": tensors["random.cpu"][:5].clone()}
    for parts, said in (
        ((tensors, {**header, "position": {}}), "damaged"),
        ((tensors, {name: header[name] for name in ("schema", "position")}), "which run"),
        ((without, header), "damaged"),
        ((strange, header), "damaged"),
        ((shorter, header), "damaged"),
    ):
        saved[1].write_bytes(Snapshot.of(*parts).to_bytes())
        with pytest.raises(WeightsError, match=rf"state\.safetensors: .*{said}.*anew"):
            fresh(1).load(saved[1], IDENTITY)


def test_a_checkpoint_is_no_training_state(tmp_path):
    path = tmp_path / "state.safetensors"
    path.write_bytes(Snapshot.of({}, {"schema": "hero-checkpoint/2"}).to_bytes())
    with pytest.raises(WeightsError, match="hero-checkpoint/2"):
        require_same_run(path, IDENTITY)


def test_tally_means():
    tally = Tally()
    tally.add({"total": 1.0, "accuracy": 0.5})
    tally.add({"total": 2.0, "accuracy": 1.0})
    assert tally.means() == {"total": 1.5, "accuracy": 0.75}
