import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from hero_core.errors import InputError, WeightsError
from hero_core.official.reading import read_official, read_statistics, require_exact


class Intruder:
    """What a hostile file would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this must never be printed",))


def test_tensors_are_read_and_own_their_memory(tmp_path: Path) -> None:
    path = tmp_path / "model.tar"
    overlapping = torch.arange(4.0).as_strided((3, 2), (1, 1))
    torch.save({"vq_model": {"weight": overlapping}, "ep": 7}, path)
    weight = read_official(path, ("net", "vq_model"))["weight"]
    assert weight.tolist() == [[0, 1], [1, 2], [2, 3]]
    weight[0, 1] = 9.0
    assert weight.tolist() == [[0, 9], [1, 2], [2, 3]]


def test_the_first_key_present_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "model.tar"
    torch.save({"old": {"w": torch.zeros(1)}, "new": {"w": torch.ones(1)}}, path)
    assert read_official(path, ("new", "old"))["w"] == 1
    assert read_official(path, "old")["w"] == 0


def test_pickled_code_is_refused_and_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.tar"
    torch.save({"vq_model": Intruder()}, path)
    with pytest.raises(WeightsError, match="pickled objects among its tensors, which are never loaded"):
        read_official(path, "vq_model")
    path.write_bytes(pickle.dumps({"vq_model": Intruder()}, protocol=2))
    with pytest.raises(WeightsError, match="pickled objects among its tensors, which are never loaded"):
        read_official(path, "vq_model")
    assert capsys.readouterr().out == ""


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.tar"
    torch.save({"vq_model": {"weight": torch.randn(50, 50)}}, path)
    whole = path.read_bytes()
    for size in (0, 1, 10, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:size])
        with pytest.raises(WeightsError, match=r"model\.tar: not a PyTorch weights file, damaged"):
            read_official(path, "vq_model")
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(WeightsError, match="damaged"):
        read_official(path, "vq_model")


def test_another_content_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.tar"
    with pytest.raises(WeightsError, match="no such weights file"):
        read_official(path, "vq_model")
    torch.save({"trans": {}, "ep": 1}, path)
    with pytest.raises(WeightsError, match="no entry vq_model or net; it holds trans, ep"):
        read_official(path, ("vq_model", "net"))
    with pytest.raises(WeightsError, match="ep is not a dict of tensors"):
        read_official(path, "ep")
    torch.save([1, 2], path)
    with pytest.raises(WeightsError, match="holds a list"):
        read_official(path, "vq_model")


def test_names_and_shapes_must_be_exact() -> None:
    model = {f"layer.{i}": torch.zeros(2) for i in range(12)}
    require_exact(dict(model), model, Path("model.tar"))
    state = {"layer.0": torch.zeros(3), "extra": torch.zeros(1)}
    with pytest.raises(WeightsError) as caught:
        require_exact(state, model, Path("model.tar"))
    message = str(caught.value)
    assert message.startswith("model.tar: these weights do not fit the model: 11 missing: layer.1, ")
    assert "and 3 more; 1 unexpected: extra; " in message
    assert message.endswith("1 of another shape: layer.0 (3,) instead of (2,)")


def test_statistics(tmp_path: Path) -> None:
    mean_path, std_path = tmp_path / "mean.npy", tmp_path / "std.npy"
    np.save(mean_path, np.arange(3.0))
    np.save(std_path, np.ones(3))
    mean, std = read_statistics(mean_path, std_path)
    assert mean.dtype == std.dtype == torch.float32
    assert mean.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("std", "message"),
    [
        (np.ones(4), "4 values, but .*holds 3"),
        (np.ones((3, 1)), "expected one vector of numbers"),
        (np.array([1.0, 0.0, 1.0]), "must be positive"),
        (np.array([1.0, np.nan, 1.0]), "not finite"),
        (np.array(["a", "b", "c"]), "expected one vector of numbers"),
        (np.array([None, 1, 2], dtype=object), r"not a readable \.npy file"),
    ],
)
def test_impossible_statistics_are_refused(tmp_path: Path, std: np.ndarray, message: str) -> None:
    np.save(tmp_path / "mean.npy", np.zeros(3))
    np.save(tmp_path / "std.npy", std, allow_pickle=True)
    with pytest.raises(InputError, match=message):
        read_statistics(tmp_path / "mean.npy", tmp_path / "std.npy")


def test_missing_statistics_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mean\.npy: no such file"):
        read_statistics(tmp_path / "mean.npy", tmp_path / "std.npy")
    (tmp_path / "mean.npy").write_bytes(b"")
    with pytest.raises(InputError, match=r"mean\.npy: not a readable"):
        read_statistics(tmp_path / "mean.npy", tmp_path / "std.npy")
