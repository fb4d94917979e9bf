"""Checkpoints: strict, without pickle, whole or not at all."""

from pathlib import Path

import pytest
import torch
from torch import nn

from hero_core.checkpoints import load_checkpoint, load_state, save_checkpoint
from hero_core.config import Config
from hero_core.errors import WeightsError
from hero_core.files import read_json, write_json


class Sizes(Config):
    width: int = 3


def save(folder: Path, value: float = 0.0) -> nn.Linear:
    model = nn.Linear(3, 2)
    nn.init.constant_(model.bias, value)
    save_checkpoint(folder, "toy", Sizes(), model.state_dict(), {"epoch": 4})
    return model


def test_round_trip(tmp_path: Path) -> None:
    model = save(tmp_path / "best")
    found = load_checkpoint(tmp_path / "best", "toy")
    assert (found.config, found.metadata) == ({"width": 3}, {"epoch": 4})
    for name, tensor in model.state_dict().items():
        assert torch.equal(found.tensors[name], tensor)
    assert {path.name for path in (tmp_path / "best").iterdir()} == {"model.safetensors", "checkpoint.json"}


def test_a_newer_one_replaces_the_older_whole(tmp_path: Path) -> None:
    save(tmp_path / "last", 1.0)
    save(tmp_path / "last", 2.0)
    assert load_checkpoint(tmp_path / "last", "toy").tensors["bias"][0] == 2.0
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    save(tmp_path / "last", 1.0)
    (tmp_path / "last").rename(tmp_path / ".last.old")
    assert load_checkpoint(tmp_path / "last", "toy").tensors["bias"][0] == 1.0


def test_what_is_not_a_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no checkpoint"):
        load_checkpoint(tmp_path / "absent", "toy")
    save(tmp_path / "best")
    with pytest.raises(WeightsError, match="'toy'.*'rvq'"):
        load_checkpoint(tmp_path / "best", "rvq")
    (tmp_path / "best" / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="damaged"):
        load_checkpoint(tmp_path / "best", "toy")
    description = read_json(tmp_path / "best" / "checkpoint.json")
    write_json(tmp_path / "best" / "checkpoint.json", description | {"schema": "hero-checkpoint/0"})
    with pytest.raises(WeightsError, match="hero-checkpoint/0"):
        load_checkpoint(tmp_path / "best", "toy")


def test_every_misfit_is_listed(tmp_path: Path) -> None:
    tensors = {"weight": torch.zeros(2, 4), "extra": torch.zeros(1)}
    with pytest.raises(
        WeightsError, match=r"missing bias; unexpected extra; weight is \(2, 4\), expected \(2, 3\)"
    ):
        load_state(nn.Linear(3, 2), tensors, tmp_path)
