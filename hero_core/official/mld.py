"""MLD's published VAE as ours.

It is a Lightning checkpoint (``1222_mld_humanml3d_FID041.ckpt``): a ``state_dict`` with the VAE under ``vae.`` and the
denoiser under ``denoiser.``, beside the state of training. The denoiser cannot be imported: its layers are made for
text embeddings of another width than a video's feature.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from hero_core.config import parse_config
from hero_core.errors import WeightsError
from hero_core.models.checkpoint import require_state
from hero_core.models.generators.mld.vae import TOKENS, MotionVae, VaeConfig
from hero_core.motion.statistics import MotionStatistics
from hero_core.official.blocks import rename_in_block
from hero_core.official.tensors import read_tensors, require_tensor

CHECKPOINT_KEYS = ("state_dict",)
VAE_PREFIX, DENOISER_PREFIX = "vae.", "denoiser."
HEADS = 4
"""In no tensor: the published configuration has it."""

_LEFT_OUT = "mem_pos.pe"  # of the denoiser, in which nothing uses it
_NAMES = {
    "global_motion_token": "tokens",
    "query_pos_encoder.pe": "encoder_positions.table",
    "query_pos_decoder.pe": "decoder_positions.table",
    "query_pos.pe": "positions.table",
}
_PREFIXES = {
    "skel_embedding": "pose_embedding",
    "final_layer": "pose_output",
    "time_embedding.linear_1": "step_embedding.0",
    "time_embedding.linear_2": "step_embedding.2",
    "emb_proj.1": "condition_projection",
}
_STACKS = {
    "input_blocks": "first",
    "middle_block": "middle",
    "output_blocks": "last",
    "linear_blocks": "joins",
}
_IN_STACK = re.compile(rf"(encoder|decoder)\.({'|'.join(_STACKS)})\.((?:\d+\.)?)(.+)")
_CROSS = {
    "multihead_attn.in_proj_weight": "cross_attention.inputs.weight",
    "multihead_attn.in_proj_bias": "cross_attention.inputs.bias",
    "multihead_attn.out_proj.weight": "cross_attention.out.weight",
    "multihead_attn.out_proj.bias": "cross_attention.out.bias",
    "norm2.weight": "cross_attention_norm.weight",
    "norm2.bias": "cross_attention_norm.bias",
    "norm3.weight": "feed_forward_norm.weight",
    "norm3.bias": "feed_forward_norm.bias",
}


def convert_mld_vae(weights: Path, statistics: MotionStatistics, heads: int = HEADS) -> MotionVae:
    """The published VAE as ours, in evaluation mode.

    Args:
        weights: the ``.ckpt``. Published ones may hold more than tensors and are then refused, as they could run code;
            the message says how to save their tensors alone.
        statistics: HumanML3D's own ``Mean.npy`` and ``Std.npy``, as they are.
        heads: attention heads of each layer.

    Raises:
        WeightsError: the file is damaged, unsafe, or has other tensors than this VAE.
        ConfigError: impossible sizes.
    """
    state = read_tensors(weights, CHECKPOINT_KEYS)
    official = {
        name.removeprefix(VAE_PREFIX): each for name, each in state.items() if name.startswith(VAE_PREFIX)
    }
    if not official:
        raise WeightsError(f"{weights}: no tensor begins with {VAE_PREFIX!r}; is this a checkpoint of MLD?")
    tokens = require_tensor(official, "global_motion_token", 2, weights)  # (2, latent)
    if len(tokens) != TOKENS:
        raise WeightsError(
            f"{weights}: made for more than one latent ({len(tokens)} learned tokens for {TOKENS})"
        )
    blocks = {name.split(".")[2] for name in official if name.startswith("encoder.input_blocks.")}
    settings = {
        "latent_dim": tokens.shape[1],
        "ff_size": require_tensor(official, "encoder.middle_block.linear1.weight", 2, weights).shape[0],
        "layers": 2 * len(blocks) + 1,
        "heads": heads,
        "position_rows": require_tensor(official, "query_pos_encoder.pe", 3, weights).shape[0],
        "loss_over_padding": True,
    }
    vae = MotionVae(parse_config(VaeConfig, settings, str(weights)))
    vae.normalisation.take(statistics)
    renamed, own = rename_mld(official), vae.state_dict()
    require_state(
        {name: own[name] for name in own if not name.startswith("normalisation.")}, renamed, weights
    )
    vae.load_state_dict(own | renamed)
    return vae.eval()


def rename_mld(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the VAE or of the denoiser under our names, without the part's own in front.

    The denoiser's one transformer, which is called encoder there, has no decoder beside it. An unknown name stays as it
    is, for a strict load to refuse.
    """
    alone = not any(name.startswith("decoder.") for name in official)
    ours = {_renamed(name): tensor for name, tensor in official.items() if name != _LEFT_OUT}
    if alone:
        ours = {re.sub(r"^encoder\.", "transformer.", name): tensor for name, tensor in ours.items()}
    return {name: tensor.squeeze(1) if name.endswith(".table") else tensor for name, tensor in ours.items()}


def _renamed(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    if place := _IN_STACK.fullmatch(name):
        stack, group, number, rest = place.groups()
        inside = _CROSS.get(rest) if stack == "decoder" else None
        return f"{stack}.{_STACKS[group]}.{number}{inside or rename_in_block(rest)}"
    prefix, _, kind = name.rpartition(".")
    return f"{_PREFIXES[prefix]}.{kind}" if prefix in _PREFIXES else name
