"""Parts that the official masked and residual transformers have in common: tensor names, positions, options."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hero_core.errors import InputError, WeightsError
from hero_core.models.transformer import sinusoidal_positions
from hero_core.official.opt_txt import read_opt_txt, require_option

POSITIONS = "position_enc.pe"
CONDITION_PROJECTION = "cond_emb.weight"
POSITION_TOLERANCE = 1e-4

# official prefix -> ours
_PREFIXES = {
    "token_emb": "token_embedding",
    "quant_emb": "layer_embedding",
    "cond_emb": "decoder.condition_projection",
    "input_process.poseEmbedding": "decoder.token_projection",
    "output_process.dense": "head.0",
    "output_process.LayerNorm": "head.2",
    "output_process.poseFinal": "head.3",
    "global_local_crossatt_block.ln1": "decoder.intention.query_norm",
    "global_local_crossatt_block.ln2": "decoder.intention.feed_forward_norm",
    "global_local_crossatt_block.ln3": "decoder.intention.frames_norm",
    "global_local_crossatt_block.attn.proj": "decoder.intention.attention.out",
    "global_local_crossatt_block.attn": "decoder.intention.attention",
    "global_local_crossatt_block.mlp.0": "decoder.intention.feed_forward.0",
    "global_local_crossatt_block.mlp.2": "decoder.intention.feed_forward.3",
}
_UNIT = re.compile(r"seqTransDecoder\.layers\.(\d+)\.(.+)")
_UNIT_PREFIXES = {
    "self_attn.out_proj": "self_attention.out",
    "multihead_attn.out_proj": "frame_attention.out",
    "linear1": "feed_forward.0",
    "linear2": "feed_forward.3",
    "norm1": "self_attention_norm",
    "norm2": "frame_attention_norm",
    "norm3": "feed_forward_norm",
}
_PACKED = {
    "self_attn.in_proj_weight": ("self_attention", "weight"),
    "self_attn.in_proj_bias": ("self_attention", "bias"),
    "multihead_attn.in_proj_weight": ("frame_attention", "weight"),
    "multihead_attn.in_proj_bias": ("frame_attention", "bias"),
}


def rename_tensors(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under our names.

    Packed attention inputs are split into query, key and value; the stored position codes are left out, since ours
    are computed. An unknown name stays as it is, for a strict load to refuse.
    """
    ours: dict[str, Tensor] = {}
    for name, tensor in official.items():
        unit = _UNIT.fullmatch(name)
        if name == POSITIONS:
            continue
        if unit is None:
            ours[_replace_prefix(name, _PREFIXES)] = tensor
        elif unit[2] in _PACKED:
            attention, kind = _PACKED[unit[2]]
            for part, third in zip(("query", "key", "value"), tensor.chunk(3), strict=False):
                ours[f"decoder.units.{unit[1]}.{attention}.{part}.{kind}"] = third
        else:
            ours[f"decoder.units.{unit[1]}.{_replace_prefix(unit[2], _UNIT_PREFIXES)}"] = tensor
    return ours


def _replace_prefix(name: str, prefixes: Mapping[str, str]) -> str:
    for prefix, replacement in prefixes.items():
        if name.startswith(prefix + "."):
            return replacement + name[len(prefix) :]
    return name


def read_sizes(official: Mapping[str, Tensor], opt_txt: Path, model_file: Path) -> dict[str, Any]:
    """Settings that both transformers take from ``opt.txt`` and, where it is silent, from the weights.

    Raises:
        InputError: ``opt.txt`` is missing, or does not state them or not as numbers.
        WeightsError: the condition projection is missing.
    """
    options = read_opt_txt(opt_txt)

    def option(name: str) -> Any:
        return require_option(options, name, opt_txt)

    return {
        "latent_dim": option("latent_dim"),
        "ff_size": option("ff_size"),
        "layers": option("n_layers"),
        "heads": option("n_heads"),
        "dropout": option("dropout"),
        "condition_drop": option("cond_drop_prob"),
        "max_tokens": _max_tokens(option("max_motion_length"), option("unit_length"), opt_txt),
        "feature_dim": require_tensor(official, CONDITION_PROJECTION, 2, model_file).shape[1],
        "guidance_keeps_frames": True,
    }


def _max_tokens(frames: object, unit_length: object, opt_txt: Path) -> int:
    if not isinstance(frames, int) or not isinstance(unit_length, int) or unit_length < 1:
        raise InputError(
            f"{opt_txt}: max_motion_length {frames!r} and unit_length {unit_length!r} must be numbers"
        )
    return frames // unit_length


def require_tensor(official: Mapping[str, Tensor], name: str, dimensions: int, model_file: Path) -> Tensor:
    """``official[name]``.

    Raises:
        WeightsError: the weights read from ``model_file`` have none of that name, or not with so many dimensions.
    """
    tensor = official.get(name)
    if tensor is None or tensor.ndim != dimensions:
        found = "missing" if tensor is None else f"of shape {tuple(tensor.shape)}"
        raise WeightsError(
            f"{model_file}: tensor {name} is {found}; are these the weights of this kind of model?"
        )
    return tensor


def check_positions(official: Mapping[str, Tensor], max_tokens: int, model_file: Path) -> None:
    """Refuse weights whose stored position codes ``(5000, 1, latent)`` are not the ones that we compute.

    Raises:
        WeightsError: they are missing, or differ.
    """
    stored = require_tensor(official, POSITIONS, 3, model_file)[:max_tokens, 0]  # (max_tokens, latent)
    computed = sinusoidal_positions(max_tokens, stored.shape[1])
    if stored.shape != computed.shape or not torch.allclose(stored, computed, atol=POSITION_TOLERANCE):
        raise WeightsError(
            f"{model_file}: {POSITIONS} does not hold the sinusoidal position codes of {max_tokens} tokens"
        )
