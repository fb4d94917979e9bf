from pathlib import Path

import pytest
import torch

from hero_core.errors import WeightsError
from hero_core.official.tensors import read_tensors, rename_residual, rename_transformer, require_tensor


def test_tensors_are_read_and_own_their_memory(tmp_path: Path) -> None:
    path = tmp_path / "model.tar"
    overlapping = torch.arange(4.0).as_strided((3, 2), (1, 1))
    torch.save({"vq_model": {"weight": overlapping}, "ep": 7}, path)
    weight = read_tensors(path, ("net", "vq_model"))["weight"]
    assert weight.tolist() == [[0, 1], [1, 2], [2, 3]]
    weight[0, 1] = 9.0
    assert weight.tolist() == [[0, 9], [1, 2], [2, 3]]


def test_the_first_key_present_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "model.tar"
    torch.save({"old": {"w": torch.zeros(1)}, "new": {"w": torch.ones(1)}}, path)
    assert read_tensors(path, ("new", "old"))["w"] == 1
    assert read_tensors(path, ("old",))["w"] == 0


def test_another_content_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.tar"
    torch.save({"trans": {}, "ep": 1}, path)
    with pytest.raises(WeightsError, match="no entry vq_model or net; it holds trans, ep"):
        read_tensors(path, ("vq_model", "net"))
    with pytest.raises(WeightsError, match="ep is not a dict of tensors"):
        read_tensors(path, ("ep",))
    torch.save([1, 2], path)
    with pytest.raises(WeightsError, match="holds a list"):
        read_tensors(path, ("vq_model",))


def test_a_tensor_of_other_dimensions_is_named() -> None:
    tensors = {"w": torch.zeros(2, 3)}
    assert require_tensor(tensors, "w", 2, Path("model.tar")).shape == (2, 3)
    with pytest.raises(WeightsError, match=r"model\.tar: tensor w is of shape \(2, 3\)"):
        require_tensor(tensors, "w", 3, Path("model.tar"))
    with pytest.raises(WeightsError, match="tensor v is missing"):
        require_tensor(tensors, "v", 2, Path("model.tar"))


def test_attention_inputs_are_one_layer() -> None:
    packed = torch.arange(12.0).view(6, 2)
    renamed = rename_transformer({"seqTransDecoder.layers.3.multihead_attn.in_proj_weight": packed})
    assert renamed == {"decoder.units.3.frame_attention.inputs.weight": packed}
    of_intention = zip(("value", "query", "key"), packed.chunk(3), strict=True)
    renamed = rename_transformer(
        {f"global_local_crossatt_block.attn.{part}.weight": each for part, each in of_intention}
    )
    assert list(renamed) == ["decoder.intention.attention.inputs.weight"]
    assert torch.equal(*renamed.values(), packed.roll(-2, 0))


def test_unknown_names_stay_and_positions_go() -> None:
    renamed = rename_transformer({"length_head.weight": torch.zeros(1), "position_enc.pe": torch.zeros(1)})
    assert renamed.keys() == {"length_head.weight"}


def test_renaming_leaves_the_official_tensors_alone(residual_tensors: dict[str, torch.Tensor]) -> None:
    before = residual_tensors["output_proj_weight"].clone()
    rename_residual(residual_tensors)
    assert torch.equal(residual_tensors["output_proj_weight"], before)
