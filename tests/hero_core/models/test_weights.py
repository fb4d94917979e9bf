"""Files of others: read whole, or refused without running what is in them."""

import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from hero_core.errors import WeightsError
from hero_core.models.weights import load_weights_file


class Intruder:
    """What a hostile file would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this must never be printed",))


@pytest.mark.parametrize("lazy", [False, True])
def test_tensors_and_plain_values_are_read(tmp_path: Path, lazy: bool) -> None:
    torch.save({"model": {"w": torch.arange(3)}, "epoch": 7, "name": "x"}, tmp_path / "model.tar")
    content = load_weights_file(tmp_path / "model.tar", lazy=lazy)
    assert (content["model"]["w"].tolist(), content["epoch"], content["name"]) == ([0, 1, 2], 7, "x")


def test_safetensors_are_read(tmp_path: Path) -> None:
    safetensors.torch.save_file({"w": torch.arange(3)}, tmp_path / "model.safetensors")
    assert load_weights_file(tmp_path / "model.safetensors")["w"].tolist() == [0, 1, 2]


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_of_a_torchscript_archive_the_tensors_are_read(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(nn.Linear(2, 1), torch.zeros(1, 2)), tmp_path / "model.pt")
    assert load_weights_file(tmp_path / "model.pt", lazy=True).keys() == {"weight", "bias"}


@pytest.mark.parametrize("lazy", [False, True])
def test_pickled_objects_are_named_and_never_made(
    tmp_path: Path, lazy: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.tar"
    torch.save({"model": Intruder(), "config": Path("/")}, path)
    with pytest.raises(WeightsError, match=r"model\.tar: holds pickled objects \(.*print.*\).*not loaded"):
        load_weights_file(path, lazy=lazy)
    path.write_bytes(pickle.dumps({"model": Intruder()}, protocol=2))
    with pytest.raises(WeightsError, match="not a PyTorch weights file"):
        load_weights_file(path, lazy=lazy)
    assert capsys.readouterr().out == ""


def test_what_the_check_overlooks_is_never_made_either(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"model": Intruder()}, tmp_path / "model.tar")
    monkeypatch.setattr(torch.serialization, "get_unsafe_globals_in_checkpoint", lambda path: [])
    with pytest.raises(WeightsError, match="damaged"):
        load_weights_file(tmp_path / "model.tar")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("lazy", [False, True])
def test_damaged_and_other_files_are_refused(tmp_path: Path, lazy: bool) -> None:
    path = tmp_path / "model.tar"
    with pytest.raises(WeightsError, match="no such weights file"):
        load_weights_file(path, lazy=lazy)
    torch.save({"model": {"weight": torch.randn(50, 50)}}, path)
    whole = path.read_bytes()
    cut = [whole[:size] for size in (0, 1, 10, len(whole) // 2, len(whole) - 30)]
    at = whole.index(b"data.pkl") + 200
    flipped = whole[:at] + bytes(255 - byte for byte in whole[at : at + 40]) + whole[at + 40 :]
    for content in (*cut, flipped, b"version https://git-lfs.github.com/spec/v1\n", b"GIF89a" * 100):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=r"model\.tar: .*damaged"):
            load_weights_file(path, lazy=lazy)
    path = path.rename(path.with_suffix(".safetensors"))
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        load_weights_file(path, lazy=lazy)
