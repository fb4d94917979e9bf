from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hero_core.errors import InputError, WeightsError
from hero_core.models.generators.hero.transformer import DecoderUnit
from hero_core.official.momask import convert_momask_masked, convert_momask_residual
from tests.hero_core.official.conftest import (
    CODE_DIM,
    CODES,
    QUANTIZERS,
    SIZES,
    encoder_tensors,
    module_tensors,
)

Tensors = dict[str, Tensor]
WriteModel = Callable[..., Path]
OPTIONS = {"max_motion_length": 196}


@pytest.fixture
def masked_tensors() -> Tensors:
    torch.manual_seed(0)
    return encoder_tensors(CODES) | module_tensors("token_emb", nn.Embedding(CODES + 2, CODE_DIM))


@pytest.fixture
def residual_tensors() -> Tensors:
    torch.manual_seed(1)
    layers = QUANTIZERS - 1
    return encoder_tensors(CODE_DIM) | {
        **module_tensors("quant_emb", nn.Linear(QUANTIZERS, SIZES["latent_dim"])),
        "token_embed_weight_": torch.randn(1, CODES + 1, CODE_DIM),
        "output_proj_weight_": torch.randn(1, CODES + 1, CODE_DIM),
        "embed_proj_shared_weight": torch.randn(layers - 1, CODES + 1, CODE_DIM),
    }


def options_of(path: Path) -> Path:
    return path.parent.parent / "opt.txt"


def test_settings_come_from_options_and_weights(write_model: WriteModel, masked_tensors: Tensors) -> None:
    path = write_model("t2m_nlayer2", "t2m_transformer", masked_tensors, OPTIONS)
    model = convert_momask_masked(path, options_of(path))
    config = model.config
    assert (config.codebook_size, config.code_dim, config.feature_dim) == (8, 12, 32)
    assert (config.latent_dim, config.ff_size, config.layers, config.heads) == (16, 24, 2, 2)
    assert config.max_tokens == 50, "room for 200 frames, though the published one saw 196"
    assert not model.training
    unit = model.decoder.units[1]
    assert isinstance(unit, DecoderUnit)
    layer = "seqTransEncoder.layers.1"
    assert torch.equal(unit.self_attention.inputs.weight, masked_tensors[f"{layer}.self_attn.in_proj_weight"])
    assert torch.equal(unit.self_attention_norm.weight, masked_tensors[f"{layer}.norm1.weight"])
    assert torch.equal(unit.feed_forward_norm.weight, masked_tensors[f"{layer}.norm2.weight"])


def test_shared_tables_are_taken_as_they_are(write_model: WriteModel, residual_tensors: Tensors) -> None:
    path = write_model("tres_sw", "res_transformer", residual_tensors, OPTIONS)
    model = convert_momask_residual(path, options_of(path))
    assert (model.config.quantizers, model.config.share_weights) == (4, True)
    shared = residual_tensors["embed_proj_shared_weight"]
    assert torch.equal(model.tables.predict[:-1], shared)
    assert torch.equal(model.tables.embed[1:], shared)


def test_missing_and_unexpected_tensors_are_named(write_model: WriteModel, masked_tensors: Tensors) -> None:
    del masked_tensors["seqTransEncoder.layers.1.norm2.bias"]
    masked_tensors["length_head.weight"] = torch.zeros(3)
    path = write_model("t2m", "t2m_transformer", masked_tensors)
    with pytest.raises(WeightsError) as caught:
        convert_momask_masked(path, options_of(path))
    assert "decoder.units.1.feed_forward_norm.bias" in str(caught.value)
    assert "length_head.weight" in str(caught.value)


def test_other_models_of_the_same_names_are_refused(write_model: WriteModel, masked_tensors: Tensors) -> None:
    path = write_model("bamm", "t2m_transformer", masked_tensors, {"trans": "official"})
    with pytest.raises(WeightsError, match="BAMM's transformer"):
        convert_momask_masked(path, options_of(path))
    hero = {name.replace("Encoder", "Decoder"): tensor for name, tensor in masked_tensors.items()}
    path = write_model("hero", "t2m_transformer", hero)
    with pytest.raises(WeightsError, match="a transformer of HERO"):
        convert_momask_masked(path, options_of(path))
    path = write_model("length", "estimator", masked_tensors)
    with pytest.raises(WeightsError, match="no entry t2m_transformer or trans; it holds estimator"):
        convert_momask_masked(path, options_of(path))


def test_missing_options_are_named(write_model: WriteModel, residual_tensors: Tensors) -> None:
    path = write_model("tres", "res_transformer", residual_tensors, {"cond_drop_prob": None})
    with pytest.raises(InputError, match="cond_drop_prob"):
        convert_momask_residual(path, options_of(path))
