"""MDM's published denoiser as ours.

A run is a folder ``save/NAME`` with ``args.json`` and ``modelNNNNNNNNN.pt``, a flat dict of tensors, or
``{model, model_avg}`` where the average of the weights was kept.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hero_core.config import parse_config
from hero_core.errors import InputError, WeightsError
from hero_core.models.checkpoint import require_state, shorten
from hero_core.models.generators.mdm import MdmConfig, MdmDenoiser
from hero_core.models.weights import load_weights_file
from hero_core.motion.statistics import MotionStatistics
from hero_core.official.blocks import rename_in_block
from hero_core.official.tensors import require_tensor
from hero_core.storage import read_json

ARGUMENTS_FILE = "args.json"
HEADS = 4
"""In no file: the published code has it as a constant."""

AVERAGED = ("model_avg", "model")  # the better one first
_LEFT_OUT = ("clip_model.", "sequence_pos_encoder.pe", "embed_timestep.sequence_pos_encoder.pe")
_PREFIXES = {
    "input_process.poseEmbedding": "pose_embedding",
    "output_process.poseFinal": "pose_output",
    "embed_timestep.time_embed": "step_embedding",
    "embed_text": "condition_projection",
}
_UNIT = re.compile(r"seqTransEncoder\.layers\.(\d+)\.(.+)")
# our setting -> the option in args.json
_REQUIRED = {
    "latent_dim": "latent_dim",
    "layers": "layers",
    "condition_drop": "cond_mask_prob",
    "diffusion_steps": "diffusion_steps",
}
_SUPPORTED = {"arch": "trans_enc", "noise_schedule": "cosine", "dataset": "humanml"}


def convert_mdm_denoiser(
    weights: Path, args_json: Path, statistics: MotionStatistics, heads: int = HEADS
) -> MdmDenoiser:
    """A published denoiser as ours, in evaluation mode; of a file with averaged weights, those.

    It was trained on texts: where a video's feature stands now, it knows the directions of CLIP's text embeddings, so
    it is a start to train from, and its reactions to videos mean nothing before.

    Args:
        weights: ``modelNNNNNNNNN.pt``.
        args_json: the arguments of the same run.
        statistics: HumanML3D's own ``Mean.npy`` and ``Std.npy``, as they are.
        heads: attention heads of each layer.

    Raises:
        WeightsError: the weights cannot be read or do not fit the arguments, or these are of another architecture,
            noise schedule or data set.
        InputError: the arguments are missing, incomplete or cannot be read.
        ConfigError: an argument has an impossible value.
    """
    official = _read(weights)
    arguments = _read_arguments(args_json)
    settings: dict[str, Any] = {ours: arguments[theirs] for ours, theirs in _REQUIRED.items()}
    settings |= {
        "heads": heads,
        "mask_frames": arguments.get("mask_frames", False),
        "ff_size": require_tensor(official, "seqTransEncoder.layers.0.linear1.weight", 2, weights).shape[0],
        "feature_dim": require_tensor(official, "embed_text.weight", 2, weights).shape[1],
    }
    denoiser = MdmDenoiser(parse_config(MdmConfig, settings, str(args_json)))
    denoiser.normalisation.take(statistics)
    renamed, own = rename_mdm(official), denoiser.state_dict()
    require_state(
        {name: own[name] for name in own if not name.startswith("normalisation.")}, renamed, weights
    )
    denoiser.load_state_dict(own | renamed)
    return denoiser.eval()


def rename_mdm(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under our names; an unknown name stays as it is, for a strict load to refuse.

    The text encoder and the stored position codes, which are computed here, are left out.
    """
    ours: dict[str, Tensor] = {}
    for name, tensor in official.items():
        if name.startswith(_LEFT_OUT):
            continue
        prefix, _, kind = name.rpartition(".")
        if unit := _UNIT.fullmatch(name):
            name = f"units.{unit[1]}.{rename_in_block(unit[2])}"
        for theirs, replacement in _PREFIXES.items():
            if prefix == theirs or prefix.startswith(f"{theirs}."):
                name = f"{replacement}{prefix.removeprefix(theirs)}.{kind}"
        ours[name] = tensor
    return ours


def _read(path: Path) -> dict[str, Tensor]:
    content = load_weights_file(path)
    if isinstance(content, Mapping):
        content = next((content[key] for key in AVERAGED if key in content), content)
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        found = (
            shorten([str(key) for key in content]) if isinstance(content, Mapping) else type(content).__name__
        )
        raise WeightsError(
            f"{path}: expected a dict of tensors, alone or under model_avg or model; found {found}"
        )
    return {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in content.items()}


def _read_arguments(path: Path) -> dict[str, Any]:
    arguments = read_json(path)
    if absent := [name for name in _REQUIRED.values() if name not in arguments]:
        raise InputError(f"{path}: {', '.join(absent)} missing; is this the {ARGUMENTS_FILE} of an MDM run?")
    for name, supported in _SUPPORTED.items():
        if arguments.get(name, supported) != supported:
            raise WeightsError(f"{path}: {name} is {arguments[name]!r}; only {supported!r} can be imported")
    return arguments
