"""Official tensors: in which entry of a file they stand, what they are called there, and what their shapes say."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from hero_core.errors import WeightsError
from hero_core.models.checkpoint import shorten
from hero_core.models.positions import sinusoidal_positions
from hero_core.models.weights import load_weights_file

RVQ_KEYS = ("vq_model", "net")
MASKED_KEYS = ("t2m_transformer", "trans")
RESIDUAL_KEYS = ("res_transformer",)
ENCODERS = ("movement_encoder", "motion_encoder")
"""Entries of an evaluator's file; its text_encoder is not needed for motions."""

POSITIONS = "position_enc.pe"
SHARED_TABLE = "embed_proj_shared_weight"
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
    "self_attn": "self_attention",
    "multihead_attn": "frame_attention",
    "linear1": "feed_forward.0",
    "linear2": "feed_forward.3",
    "norm1": "self_attention_norm",
    "norm2": "frame_attention_norm",
    "norm3": "feed_forward_norm",
}
_TABLES = {
    "token_embed_weight": "tables.embed_own",
    "output_proj_weight": "tables.predict_own",
    "output_proj_bias": "tables.bias",
}
_TABLES_WITH_SHARED_WEIGHTS = {
    "token_embed_weight_": "tables.embed_own",
    "output_proj_weight_": "tables.predict_own",
    SHARED_TABLE: "tables.shared",
}


def read_tensors(path: Path, keys: Sequence[str]) -> dict[str, Tensor]:
    """The tensors that an official ``.tar`` or ``.pth`` file holds in one entry.

    Args:
        path: the file.
        keys: names of the entry, of which the first one present is taken: the release renamed some over time.

    Returns:
        Name to tensor, on the CPU, each with memory of its own.

    Raises:
        WeightsError: the file is missing, damaged or unsafe, or has no such entry of tensors.
    """
    content, wanted = load_weights_file(path), " or ".join(keys)
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: holds a {type(content).__name__}, expected a dict with {wanted}")
    state = next((content[key] for key in keys if key in content), None)
    if state is None:
        raise WeightsError(f"{path}: no entry {wanted}; it holds {shorten([str(key) for key in content])}")
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path}: the entry {wanted} is not a dict of tensors")
    # official tensors may be views that overlap
    return {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}


def require_tensor(official: Mapping[str, Tensor], name: str, dimensions: int, path: Path) -> Tensor:
    """``official[name]``.

    Raises:
        WeightsError: the weights read from ``path`` have none of that name, or not with so many dimensions.
    """
    tensor = official.get(name)
    if tensor is None or tensor.ndim != dimensions:
        found = "missing" if tensor is None else f"of shape {tuple(tensor.shape)}"
        raise WeightsError(f"{path}: tensor {name} is {found}; are these the weights of this kind of model?")
    return tensor


def rename_transformer(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of either transformer under our names.

    The intention's query, key and value become one layer, as they are in the units; the stored position codes are
    left out, since ours are computed. An unknown name stays as it is, for a strict load to refuse.
    """
    ours: dict[str, Tensor] = {}
    for name, tensor in official.items():
        if name == POSITIONS:
            continue
        if unit := _UNIT.fullmatch(name):
            name = f"decoder.units.{unit[1]}.{_replace_prefix(unit[2], _UNIT_PREFIXES)}"
        ours[_replace_prefix(name, _PREFIXES).replace(".in_proj_", ".inputs.")] = tensor
    for kind in ("weight", "bias"):
        parts = [f"decoder.intention.attention.{part}.{kind}" for part in ("query", "key", "value")]
        if all(part in ours for part in parts):
            ours[f"decoder.intention.attention.inputs.{kind}"] = torch.cat([ours.pop(part) for part in parts])
    return ours


def rename_residual(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the residual transformer under our names, such that our logits equal the official ones.

    The official model computes ``2 W h + b`` unless weights are shared (it adds the projection to itself together
    with the bias); we compute ``W h + b``, so its W is doubled here, once. Its bias has a last row that is never used.
    """
    share = SHARED_TABLE in official
    tables = _TABLES_WITH_SHARED_WEIGHTS if share else _TABLES
    ours = rename_transformer({name: tensor for name, tensor in official.items() if name not in tables})
    ours |= {name: official[theirs] for theirs, name in tables.items() if theirs in official}
    if not share and "tables.predict_own" in ours and "tables.bias" in ours:
        ours["tables.predict_own"] = 2 * ours["tables.predict_own"]
        ours["tables.bias"] = ours["tables.bias"][: len(ours["tables.predict_own"])]
    return ours


def check_positions(official: Mapping[str, Tensor], max_tokens: int, path: Path) -> None:
    """Refuse weights whose stored position codes ``(5000, 1, latent)`` are not the ones that we compute.

    Raises:
        WeightsError: they are missing, or differ.
    """
    stored = require_tensor(official, POSITIONS, 3, path)[:max_tokens, 0]  # (max_tokens, latent)
    computed = sinusoidal_positions(max_tokens, stored.shape[1])
    if stored.shape != computed.shape or not torch.allclose(stored, computed, atol=POSITION_TOLERANCE):
        raise WeightsError(
            f"{path}: {POSITIONS} does not hold the sinusoidal position codes of {max_tokens} tokens"
        )


def _replace_prefix(name: str, prefixes: Mapping[str, str]) -> str:
    for prefix, replacement in prefixes.items():
        if name.startswith(prefix + "."):
            return replacement + name[len(prefix) :]
    return name
