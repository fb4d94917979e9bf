"""Checkpoints: one file, strict, without pickle, whole or not at all."""

import json
from pathlib import Path
from typing import ClassVar

import pytest
import safetensors.torch
import torch
from safetensors import safe_open
from torch import nn

from hero_core import storage
from hero_core.config import Config
from hero_core.errors import ConfigError, OutputError, WeightsError
from hero_core.models.checkpoint import (
    Snapshot,
    load_network,
    read_header,
    require_state,
    save_network,
    unpack,
)
from hero_core.seal import seal_of_file
from hero_core.storage import sha256_of_file
from tests.damage import damages


class Sizes(Config):
    width: int = 3


class Toy(nn.Module):
    kind: ClassVar[str] = "toy"
    settings: ClassVar[type[Sizes]] = Sizes

    def __init__(self, config: Sizes) -> None:
        super().__init__()
        self.config = config
        self.layer = nn.Linear(config.width, 2)


class Other(Toy):
    kind: ClassVar[str] = "other"


def save(path: Path, value: float = 0.0, width: int = 3) -> Toy:
    toy = Toy(Sizes(width=width))
    nn.init.constant_(toy.layer.bias, value)
    save_network(path, toy, {"epoch": 4, "data": {"name": "ä"}})
    return toy


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "toy" / "best.safetensors"
    toy = save(path, width=5).train()
    loaded, origin = load_network(path, Toy)
    assert loaded.config == toy.config
    assert not loaded.training
    assert all(torch.equal(loaded.state_dict()[name], tensor) for name, tensor in toy.state_dict().items())
    assert (origin.path, origin.metadata) == (path, {"epoch": 4, "data": {"name": "ä"}})
    assert origin.sha256 == sha256_of_file(path)
    assert read_header(path)["metadata"] == origin.metadata
    assert [file.name for file in path.parent.iterdir()] == ["best.safetensors"]


def test_others_read_it_without_our_code(tmp_path: Path) -> None:
    toy = save(tmp_path / "best.safetensors")
    tensors = safetensors.torch.load_file(tmp_path / "best.safetensors")
    assert torch.equal(tensors["layer.weight"], toy.layer.weight)
    with safe_open(tmp_path / "best.safetensors", "pt") as file:
        header = json.loads(file.metadata()["hero"])
    assert (header["kind"], header["config"]) == ("toy", {"width": 3})
    assert "torch" in header["versions"]


def test_equal_contents_give_equal_bytes(tmp_path: Path) -> None:
    tensors = {name: torch.arange(6.0).view(2, 3) for name in ("b", "a")}
    data = Snapshot.of(tensors, {"x": 1, "y": 2}).to_bytes()
    assert data == Snapshot.of(dict(reversed(list(tensors.items()))), {"y": 2, "x": 1}).to_bytes()
    header, found = unpack(data, tmp_path)
    assert header == {"x": 1, "y": 2}
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())


def test_a_newer_one_replaces_the_older_only_when_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.safetensors"
    save(path, 1.0)

    def full_disk(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(storage, "_fsync", full_disk)
        with pytest.raises(OutputError, match="no space"):
            save(path, 2.0)
    assert load_network(path, Toy)[0].layer.bias[0] == 1.0
    save(path, 3.0)
    assert load_network(path, Toy)[0].layer.bias[0] == 3.0
    assert [file.name for file in tmp_path.iterdir()] == ["last.safetensors"]


def test_what_is_not_a_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    with pytest.raises(WeightsError, match="no checkpoint here"):
        load_network(path, Toy)
    save(path)
    with pytest.raises(WeightsError, match=r"best\.safetensors: holds a 'toy' model, expected 'other'"):
        load_network(path, Other)
    path.write_bytes(Snapshot.of({}, {"schema": "hero-checkpoint/0", "kind": "toy"}).to_bytes())
    with pytest.raises(WeightsError, match="version 'hero-checkpoint/0', expected 'hero-checkpoint/"):
        load_network(path, Toy)
    safetensors.torch.save_file({"layer.bias": torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match="not a file of this program"):
        read_header(path)


@pytest.mark.parametrize("size", [0, 4, 100, -1])
def test_a_damaged_file_is_named(tmp_path: Path, size: int) -> None:
    path = tmp_path / "best.safetensors"
    save(path)
    path.write_bytes(path.read_bytes()[:size])
    for read in (lambda: load_network(path, Toy), lambda: read_header(path)):
        with pytest.raises(WeightsError, match=r"best\.safetensors: damaged"):
            read()


@pytest.mark.parametrize("name", ["config", "metadata"])
def test_a_header_without_its_parts_is_damaged(tmp_path: Path, name: str) -> None:
    path = tmp_path / "best.safetensors"
    save(path)
    header, tensors = unpack(path.read_bytes(), path)
    for damaged in (
        header | {name: None},
        {key: value for key, value in header.items() if key != name},
    ):
        path.write_bytes(Snapshot.of(tensors, damaged).to_bytes())
        with pytest.raises(WeightsError, match=rf"best\.safetensors: damaged: its header has no {name}"):
            load_network(path, Toy)


def test_a_header_that_is_no_object_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    safetensors.torch.save_file({"x": torch.zeros(1)}, path, metadata={"hero": "[1]"})
    for read in (lambda: load_network(path, Toy), lambda: read_header(path)):
        with pytest.raises(WeightsError, match=r"best\.safetensors: damaged.*list"):
            read()


def test_settings_of_another_version_are_named(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    save(path)
    header, tensors = unpack(path.read_bytes(), path)
    path.write_bytes(Snapshot.of(tensors, header | {"config": {"depth": 3}}).to_bytes())
    with pytest.raises(ConfigError, match=r"best\.safetensors.*depth"):
        load_network(path, Toy)
    path.write_bytes(Snapshot.of(tensors, header | {"config": {"width": 4}}).to_bytes())
    with pytest.raises(WeightsError, match=r"layer\.weight \(2, 3\) instead of \(2, 4\)"):
        load_network(path, Toy)


def test_every_misfit_is_listed() -> None:
    expected = {f"layer.{i}": torch.zeros(2) for i in range(12)}
    require_state(expected, dict(expected), "model.tar")
    with pytest.raises(WeightsError) as caught:
        require_state(expected, {"layer.0": torch.zeros(3), "extra": torch.zeros(1)}, Path("model.tar"))
    message = str(caught.value)
    assert message.startswith("model.tar: these weights do not fit the model: 11 missing: layer.1, ")
    assert "and 3 more; 1 unexpected: extra; " in message
    assert message.endswith("1 of another shape: layer.0 (3,) instead of (2,)")


def test_every_damage_is_noticed(tmp_path: Path) -> None:
    """A damaged checkpoint is refused by name; what is read all the same is what was written."""
    path = tmp_path / "best.safetensors"
    toy = save(path, 1.0)
    noticed = 0
    for _ in damages(path, 300):
        assert seal_of_file(path) != "whole"
        try:
            loaded, origin = load_network(path, Toy)
        except WeightsError as error:
            assert str(path) in str(error)  # noqa: PT017
            noticed += 1
        else:
            assert origin.metadata == {"epoch": 4, "data": {"name": "ä"}}
            assert all(
                torch.equal(loaded.state_dict()[name], each) for name, each in toy.state_dict().items()
            )
    assert noticed > 360


def test_a_checkpoint_of_before_there_were_seals_is_read(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    save(path, 1.0)
    header, tensors = unpack(path.read_bytes(), path)
    safetensors.torch.save_file(tensors, path, metadata={"hero": json.dumps(header)})
    assert seal_of_file(path) == "absent"
    assert load_network(path, Toy)[1].metadata == {"epoch": 4, "data": {"name": "ä"}}


def test_settings_that_ask_for_more_than_the_file_holds_are_refused_before_they_are_met(
    tmp_path: Path,
) -> None:
    path = tmp_path / "toy.safetensors"
    toy = save(path)
    header = json.loads(Snapshot.of({}, read_header(path)).header) | {"config": {"width": 10**14}}
    header.pop("seal")
    path.write_bytes(Snapshot.of(toy.state_dict(), header).to_bytes())
    with pytest.raises(WeightsError, match=r"layer.weight \(2, 3\) instead of \(2, 100000000000000\)"):
        load_network(path, Toy)
