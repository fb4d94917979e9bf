"""MLD's published checkpoint, made here of random numbers under the published names."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hero_core.errors import WeightsError
from hero_core.motion.statistics import MotionStatistics
from hero_core.official.mld import convert_mld_vae, rename_mld

STATISTICS = MotionStatistics(np.full(263, 2, np.float32), np.full(263, 3, np.float32))


def stack(layer: nn.Module, name: str) -> dict[str, Tensor]:
    """A skip transformer of three blocks and width 8."""
    modules = {
        "input_blocks.0": layer,
        "middle_block": layer,
        "output_blocks.0": layer,
        "linear_blocks.0": nn.Linear(16, 8),
        "norm": nn.LayerNorm(8),
    }
    return {
        f"{name}.{part}.{key}": torch.randn_like(value)
        for part, each in modules.items()
        for key, value in each.state_dict().items()
    }


def published() -> dict[str, Tensor]:
    torch.manual_seed(0)
    linears = {"skel_embedding": nn.Linear(263, 8), "final_layer": nn.Linear(8, 263)}
    state = {
        f"{name}.{key}": value for name, each in linears.items() for key, value in each.state_dict().items()
    }
    state |= {f"query_pos_{side}.pe": torch.randn(500, 1, 8) for side in ("encoder", "decoder")}
    state |= stack(nn.TransformerEncoderLayer(8, 4, 16), "encoder")
    state |= stack(nn.TransformerDecoderLayer(8, 4, 16), "decoder")
    return state | {"global_motion_token": torch.randn(2, 8)}


def saved(tmp_path: Path, state: dict[str, Tensor], **others: Any) -> Path:
    path = tmp_path / "mld.ckpt"
    tensors = {f"vae.{name}": value for name, value in state.items()}
    torch.save({"state_dict": tensors | {"denoiser.query_pos.pe": torch.zeros(1)}, **others}, path)
    return path


def test_every_tensor_arrives(tmp_path: Path) -> None:
    state = published()
    vae = convert_mld_vae(saved(tmp_path, state, epoch=7), STATISTICS)
    assert not vae.training
    config = vae.config
    assert (config.latent_dim, config.ff_size, config.layers, config.heads) == (8, 16, 3, 4)
    assert config.position_rows == 500
    assert vae.normalisation.mean[0] == 2
    ours = vae.state_dict()
    renamed = rename_mld(state)
    assert len(renamed) == len(state)
    for name, tensor in renamed.items():
        assert torch.equal(ours[name], tensor), name


def test_a_block_of_the_decoder_computes_what_torch_s_layer_does(tmp_path: Path) -> None:
    state = published()
    vae = convert_mld_vae(saved(tmp_path, state), STATISTICS)
    layer = nn.TransformerDecoderLayer(8, 4, 16, activation="gelu", batch_first=True).eval()
    prefix = "decoder.middle_block."
    layer.load_state_dict({n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)})
    x, memory = torch.randn(2, 5, 8), torch.randn(2, 1, 8)
    torch.testing.assert_close(vae.decoder.middle(x, None, memory), layer(x, memory), atol=1e-5, rtol=1e-5)


class Hyperparameters:
    """Stands for what Lightning pickles beside the tensors."""


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    state = published()
    with pytest.raises(WeightsError, match="unexpected: extra"):
        convert_mld_vae(saved(tmp_path, state | {"extra": torch.zeros(1)}), STATISTICS)
    with pytest.raises(WeightsError, match="no tensor begins with 'vae.'"):
        convert_mld_vae(saved(tmp_path, {}), STATISTICS)
    with pytest.raises(WeightsError, match="more than one latent"):
        convert_mld_vae(saved(tmp_path, state | {"global_motion_token": torch.zeros(4, 8)}), STATISTICS)
    with pytest.raises(WeightsError, match="pickled objects .*Hyperparameters"):
        convert_mld_vae(saved(tmp_path, state, hyper_parameters=Hyperparameters()), STATISTICS)
