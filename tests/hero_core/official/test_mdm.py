"""MDM's published files, made here of random numbers under the published names."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hero_core.errors import InputError, WeightsError
from hero_core.motion.statistics import MotionStatistics
from hero_core.official.mdm import convert_mdm_denoiser, rename_mdm

ARGUMENTS = {
    "arch": "trans_enc",
    "layers": 2,
    "latent_dim": 8,
    "cond_mask_prob": 0.1,
    "diffusion_steps": 50,
    "noise_schedule": "cosine",
    "mask_frames": True,
}
STATISTICS = MotionStatistics(np.full(263, 2, np.float32), np.full(263, 3, np.float32))


def published() -> dict[str, Tensor]:
    """A state dict of width 8, made of torch's own layers."""
    torch.manual_seed(0)
    modules = {
        "input_process.poseEmbedding": torch.nn.Linear(263, 8),
        "seqTransEncoder": torch.nn.TransformerEncoder(
            torch.nn.TransformerEncoderLayer(8, 4, 16, activation="gelu"), 2, enable_nested_tensor=False
        ),
        "embed_timestep.time_embed": torch.nn.Sequential(
            torch.nn.Linear(8, 8), torch.nn.SiLU(), torch.nn.Linear(8, 8)
        ),
        "embed_text": torch.nn.Linear(12, 8),
        "output_process.poseFinal": torch.nn.Linear(8, 263),
    }
    state = {
        f"{name}.{key}": value for name, each in modules.items() for key, value in each.state_dict().items()
    }
    positions = torch.zeros(5000, 1, 8)
    return state | {"sequence_pos_encoder.pe": positions, "embed_timestep.sequence_pos_encoder.pe": positions}


@pytest.fixture
def args_json(tmp_path: Path) -> Path:
    path = tmp_path / "args.json"
    path.write_text(json.dumps(ARGUMENTS))
    return path


def saved(tmp_path: Path, content: Any) -> Path:
    torch.save(content, tmp_path / "model.pt")
    return tmp_path / "model.pt"


def test_every_tensor_arrives(tmp_path: Path, args_json: Path) -> None:
    state = published()
    model = convert_mdm_denoiser(saved(tmp_path, state), args_json, STATISTICS)
    assert not model.training
    assert (model.config.feature_dim, model.config.ff_size, model.config.heads) == (12, 16, 4)
    assert model.config.mask_frames
    assert model.config.diffusion_steps == 50
    assert model.normalisation.mean[0] == 2
    ours = model.state_dict()
    for name, tensor in rename_mdm(state).items():
        assert torch.equal(ours[name], tensor), name
    assert len(rename_mdm(state)) == len(state) - 2


def test_the_converted_network_computes_what_torch_s_layers_do(tmp_path: Path, args_json: Path) -> None:
    state = published()
    model = convert_mdm_denoiser(saved(tmp_path, state), args_json, STATISTICS)
    encoder = torch.nn.TransformerEncoder(
        torch.nn.TransformerEncoderLayer(8, 4, 16, activation="gelu", batch_first=True),
        2,
        enable_nested_tensor=False,
    ).eval()
    prefix = "seqTransEncoder."
    encoder.load_state_dict({n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)})
    x = torch.randn(2, 5, 8)
    expected, ours = encoder(x), x
    for unit in model.units:
        ours = unit(ours)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_old_arguments_do_not_mask_frames(tmp_path: Path, args_json: Path) -> None:
    args_json.write_text(json.dumps({k: v for k, v in ARGUMENTS.items() if k != "mask_frames"}))
    assert not convert_mdm_denoiser(saved(tmp_path, published()), args_json, STATISTICS).config.mask_frames


def test_averaged_weights_are_taken(tmp_path: Path, args_json: Path) -> None:
    state = published()
    other = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
    model = convert_mdm_denoiser(saved(tmp_path, {"model": other, "model_avg": state}), args_json, STATISTICS)
    assert torch.equal(model.pose_output.bias, state["output_process.poseFinal.bias"])


def test_what_does_not_fit_is_refused(tmp_path: Path, args_json: Path) -> None:
    state = published()
    with pytest.raises(WeightsError, match="unexpected: extra"):
        convert_mdm_denoiser(saved(tmp_path, state | {"extra": torch.zeros(1)}), args_json, STATISTICS)
    with pytest.raises(WeightsError, match="expected a dict of tensors"):
        convert_mdm_denoiser(saved(tmp_path, {"epoch": 3}), args_json, STATISTICS)
    with pytest.raises(WeightsError, match=r"embed_text.weight is missing"):
        rest = {name: tensor for name, tensor in state.items() if not name.startswith("embed_text")}
        convert_mdm_denoiser(saved(tmp_path, rest), args_json, STATISTICS)
    args_json.write_text(json.dumps(ARGUMENTS | {"arch": "trans_dec"}))
    with pytest.raises(WeightsError, match="arch is 'trans_dec'; only 'trans_enc'"):
        convert_mdm_denoiser(saved(tmp_path, state), args_json, STATISTICS)
    args_json.write_text("{}")
    with pytest.raises(InputError, match=r"layers.* missing"):
        convert_mdm_denoiser(saved(tmp_path, state), args_json, STATISTICS)
