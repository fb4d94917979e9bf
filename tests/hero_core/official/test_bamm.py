from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hero_core.errors import WeightsError
from hero_core.models.generators.bamm import BammTransformer
from hero_core.official.bamm import convert_bamm
from tests.hero_core.official.conftest import CODE_DIM, CODES, encoder_tensors, module_tensors

Tensors = dict[str, Tensor]
WriteModel = Callable[..., Path]


@pytest.fixture
def tensors() -> Tensors:
    torch.manual_seed(0)
    return encoder_tensors(CODES + 1) | module_tensors("token_emb", nn.Embedding(CODES + 3, CODE_DIM))


def convert(path: Path) -> BammTransformer:
    return convert_bamm(path, path.parent.parent / "opt.txt")


def test_settings_come_from_options_and_weights(write_model: WriteModel, tensors: Tensors) -> None:
    model = convert(write_model("bamm", "t2m_transformer", tensors, {"trans": "official"}))
    config = model.config
    assert (config.codebook_size, config.code_dim, config.feature_dim, config.max_tokens) == (8, 12, 32, 50)
    assert (config.latent_dim, config.ff_size, config.layers, config.heads) == (16, 24, 2, 2)
    assert (config.dropout, config.condition_drop) == (0.2, 0.1)
    assert not model.training


def test_rows_of_ids_that_are_never_used_are_left_out(write_model: WriteModel, tensors: Tensors) -> None:
    model = convert(write_model("bamm", "t2m_transformer", tensors))
    assert torch.equal(model.token_embedding.weight, tensors["token_emb.weight"][: CODES + 1])
    assert model.head[3].weight.shape == (CODES + 1, 16)


def test_the_other_kind_of_transformer_is_refused(write_model: WriteModel, tensors: Tensors) -> None:
    with pytest.raises(WeightsError, match="trans is 't2mgpt'; only 'official' can be imported"):
        convert(write_model("bamm", "t2m_transformer", tensors, {"trans": "t2mgpt"}))


def test_momasks_is_refused(write_model: WriteModel, tensors: Tensors) -> None:
    momask = {**tensors, "token_emb.weight": torch.zeros(CODES + 2, CODE_DIM)}
    with pytest.raises(WeightsError, match="of another shape"):
        convert(write_model("momask", "t2m_transformer", momask))


def test_missing_and_unexpected_tensors_are_named(write_model: WriteModel, tensors: Tensors) -> None:
    del tensors["seqTransEncoder.layers.1.norm2.bias"]
    tensors["extra.weight"] = torch.zeros(3)
    with pytest.raises(WeightsError) as caught:
        convert(write_model("bamm", "t2m_transformer", tensors))
    assert "units.1.feed_forward_norm.bias" in str(caught.value)
    assert "extra.weight" in str(caught.value)


def test_other_position_codes_are_refused(write_model: WriteModel, tensors: Tensors) -> None:
    tensors["position_enc.pe"] = tensors["position_enc.pe"] + 0.01
    with pytest.raises(WeightsError, match="position"):
        convert(write_model("bamm", "t2m_transformer", tensors))
