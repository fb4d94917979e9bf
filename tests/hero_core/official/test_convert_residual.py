from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hero_core.errors import WeightsError
from hero_core.models.generators.hero.residual import ResidualTransformer
from hero_core.official.convert import convert_residual

Tensors = dict[str, Tensor]
WriteModel = Callable[..., Path]


def load(path: Path) -> ResidualTransformer:
    return convert_residual(path, path.parent.parent / "opt.txt")


def with_shared_weights(tensors: Tensors) -> Tensors:
    own = ("token_embed_weight", "output_proj_weight", "output_proj_bias")
    layers, classes, code_dim = tensors["token_embed_weight"].shape
    return {name: tensor for name, tensor in tensors.items() if name not in own} | {
        "token_embed_weight_": torch.randn(1, classes, code_dim),
        "output_proj_weight_": torch.randn(1, classes, code_dim),
        "embed_proj_shared_weight": torch.randn(layers - 1, classes, code_dim),
    }


def test_the_official_doubling_is_folded_into_the_weights(
    write_model: WriteModel, residual_tensors: Tensors
) -> None:
    model = load(write_model("residual", "res_transformer", residual_tensors))
    hidden, layer = torch.randn(5, 12), 2
    projected = hidden @ residual_tensors["output_proj_weight"][layer].T
    official = projected + (projected + residual_tensors["output_proj_bias"][layer])
    assert model.tables.bias is not None
    ours = hidden @ model.tables.predict[layer].T + model.tables.bias[layer]
    torch.testing.assert_close(ours, official)
    assert torch.equal(model.tables.embed, residual_tensors["token_embed_weight"])


def test_settings(write_model: WriteModel, residual_tensors: Tensors) -> None:
    config = load(write_model("residual", "res_transformer", residual_tensors)).config
    assert (config.codebook_size, config.code_dim, config.quantizers) == (8, 12, 4)
    assert config.allow_pad_class
    assert not config.share_weights


def test_shared_weights_are_not_doubled(write_model: WriteModel, residual_tensors: Tensors) -> None:
    tensors = with_shared_weights(residual_tensors)
    model = load(write_model("residual", "res_transformer", tensors))
    assert model.config.share_weights
    assert model.config.quantizers == 4
    assert model.tables.bias is None
    shared = tensors["embed_proj_shared_weight"]
    assert torch.equal(model.tables.embed, torch.cat([tensors["token_embed_weight_"], shared]))
    assert torch.equal(model.tables.predict, torch.cat([shared, tensors["output_proj_weight_"]]))


@pytest.mark.parametrize("name", ["output_proj_bias", "token_embed_weight", "quant_emb.bias"])
def test_a_missing_tensor_is_named(name: str, write_model: WriteModel, residual_tensors: Tensors) -> None:
    del residual_tensors[name]
    with pytest.raises(WeightsError, match="missing"):
        load(write_model("residual", "res_transformer", residual_tensors))
