from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hero_core.errors import ConfigError, InputError, WeightsError
from hero_core.models.generators.hero.transformer import DecoderUnit
from hero_core.official.convert import convert_masked

Tensors = dict[str, Tensor]
WriteModel = Callable[..., Path]


def load(path: Path) -> None:
    convert_masked(path, path.parent.parent / "opt.txt")


def test_settings_come_from_options_and_weights(write_model: WriteModel, masked_tensors: Tensors) -> None:
    path = write_model("masked", "t2m_transformer", masked_tensors, {"dropout": 0.3, "max_motion_length": 80})
    model = convert_masked(path, path.parent.parent / "opt.txt")
    config = model.config
    assert (config.codebook_size, config.code_dim, config.feature_dim) == (8, 12, 32)
    assert (config.latent_dim, config.ff_size, config.layers, config.heads) == (16, 24, 2, 2)
    assert (config.dropout, config.condition_drop, config.max_tokens) == (0.3, 0.1, 20)
    assert config.mask_over_padded
    assert config.guidance_keeps_frames
    assert not model.training


def test_packed_attention_is_split(write_model: WriteModel, masked_tensors: Tensors) -> None:
    path = write_model("masked", "t2m_transformer", masked_tensors)
    unit = convert_masked(path, path.parent.parent / "opt.txt").decoder.units[1]
    assert isinstance(unit, DecoderUnit)
    packed = masked_tensors["seqTransDecoder.layers.1.self_attn.in_proj_weight"]
    ours = unit.self_attention
    assert torch.equal(ours.inputs.weight, packed)


def test_older_files_keep_the_weights_under_another_key(
    write_model: WriteModel, masked_tensors: Tensors
) -> None:
    load(write_model("masked", "trans", masked_tensors))


def test_missing_and_unexpected_tensors_are_named(write_model: WriteModel, masked_tensors: Tensors) -> None:
    del masked_tensors["seqTransDecoder.layers.1.norm3.bias"]
    masked_tensors["length_head.weight"] = torch.zeros(3)
    with pytest.raises(WeightsError) as caught:
        load(write_model("masked", "t2m_transformer", masked_tensors))
    assert "decoder.units.1.feed_forward_norm.bias" in str(caught.value)
    assert "length_head.weight" in str(caught.value)


def test_options_that_contradict_the_weights_are_refused(
    write_model: WriteModel, masked_tensors: Tensors
) -> None:
    with pytest.raises(WeightsError, match="another shape"):
        load(write_model("masked", "t2m_transformer", masked_tensors, {"ff_size": 48}))
    with pytest.raises(WeightsError, match="missing"):
        load(write_model("masked", "t2m_transformer", masked_tensors, {"n_layers": 3}))
    with pytest.raises(ConfigError, match="heads"):
        load(write_model("masked", "t2m_transformer", masked_tensors, {"n_heads": 3}))


def test_missing_options_are_named(write_model: WriteModel, masked_tensors: Tensors) -> None:
    path = write_model("masked", "t2m_transformer", masked_tensors, {"n_heads": None})
    with pytest.raises(InputError, match="n_heads"):
        load(path)
    (path.parent.parent / "opt.txt").unlink()
    with pytest.raises(InputError, match=r"opt\.txt"):
        load(path)


def test_other_position_codes_are_refused(write_model: WriteModel, masked_tensors: Tensors) -> None:
    masked_tensors["position_enc.pe"] = masked_tensors["position_enc.pe"] + 0.01
    with pytest.raises(WeightsError, match="position"):
        load(write_model("masked", "t2m_transformer", masked_tensors))


def test_another_model_is_refused(write_model: WriteModel, residual_tensors: Tensors) -> None:
    with pytest.raises(WeightsError, match="t2m_transformer"):
        load(write_model("residual", "res_transformer", residual_tensors))
    with pytest.raises(WeightsError, match=r"token_emb\.weight"):
        load(write_model("residual", "t2m_transformer", residual_tensors))
