"""Reading the vision tower's weights: TC-CLIP checkpoints, OpenAI's CLIP archives, state dicts, safetensors.

Loading is strict. Everything outside the vision tower (text side, prompts, logit scale) is ignored; inside it,
a missing, unexpected or misshapen tensor is an error that names it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import torch
from torch import Tensor

from hero_core.config import parse_config
from hero_core.errors import WeightsError
from hero_core.models.checkpoint import require_state
from hero_core.models.tc_clip.tower import TcClip, TcClipConfig
from hero_core.models.weights import load_weights_file

HEAD_DIM = 64  # of every published CLIP ViT
BIAS_TABLE = "attn.local_global_bias_table"
_LAYER = re.compile(r"transformer\.resblocks\.(\d+)\.")


@dataclass(frozen=True)
class VisionWeights:
    """A vision tower's tensors under TC-CLIP's names, float32.

    Attributes:
        tensors: name without prefix -> tensor.
        is_plain_clip: the file is CLIP's. It has no local/global attention biases, which TC-CLIP trains; a
            tower built from it has zeros there.
    """

    tensors: dict[str, Tensor]
    is_plain_clip: bool


def load_tc_clip(path: Path, config: TcClipConfig | None = None) -> TcClip:
    """The frozen tower with the weights of ``path``, in float32, on the CPU.

    Sizes are those of the weights; sizes that ``config`` sets explicitly must be the same. What the weights do
    not say (frames, context_tokens, seed_ratio, merge_rate) is taken from ``config``. CLIP's files do not say
    the number of heads either: it is ``width // 64`` unless ``config`` sets it.

    Raises:
        WeightsError: the file is missing, unreadable or unsafe, or does not hold exactly this tower.
        ConfigError: the weights and ``config`` together are an impossible tower.
    """
    return build_tc_clip(read_vision_weights(path), config, str(path))


def read_vision_weights(path: Path) -> VisionWeights:
    """Read a file in any of the four layouts.

    Raises:
        WeightsError: the file is missing, unreadable or unsafe, or holds no vision tower.
    """
    state = _read_state(path)
    prefix = _vision_prefix(state, path)
    tensors = {name.removeprefix(prefix): t.float() for name, t in state.items() if name.startswith(prefix)}
    is_plain_clip = any(name.endswith("attn.in_proj_weight") for name in tensors)
    return VisionWeights(_from_clip(tensors) if is_plain_clip else tensors, is_plain_clip)


def build_tc_clip(weights: VisionWeights, config: TcClipConfig | None, origin: str) -> TcClip:
    """The frozen tower that ``weights`` fill exactly; ``origin`` names them in errors.

    Raises:
        WeightsError: names every missing, unexpected and misshapen tensor, or the size that ``config`` contradicts.
        ConfigError: the weights and ``config`` together are an impossible tower.
    """
    fitted = _fit_config(weights.tensors, config, origin)
    with torch.device("meta"):  # the weights replace every parameter, so none is drawn
        model = TcClip(fitted)
    expected = model.state_dict()
    tensors = dict(weights.tensors)
    if weights.is_plain_clip:
        tensors |= {name: torch.zeros(expected[name].shape) for name in expected if name.endswith(BIAS_TABLE)}
    require_state(expected, tensors, origin)
    model.load_state_dict(tensors, assign=True)
    return model.eval().requires_grad_(False)


def _read_state(path: Path) -> dict[str, Tensor]:
    content = load_weights_file(path)
    if isinstance(content, Mapping) and isinstance(content.get("model"), Mapping):
        content = content["model"]  # TC-CLIP keeps epoch, accuracy and optimiser beside it
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: holds a {type(content).__name__}, not a dictionary of tensors")
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _vision_prefix(state: Mapping[str, Tensor], path: Path) -> str:
    prefixes = sorted(
        name.removesuffix("conv1.weight")
        for name in state
        if name == "conv1.weight" or name.endswith(".conv1.weight")
    )
    if len(prefixes) != 1:
        found = f"{len(prefixes)} candidates ({', '.join(prefixes[:4])}…)" if prefixes else "none"
        raise WeightsError(
            f"{path}: expected one vision tower, a prefix such as 'image_encoder.' or 'visual.' before "
            f"'conv1.weight'; found {found}. CLIP's ResNet towers are not supported, use ViT-B/16"
        )
    return prefixes[0]


def _from_clip(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """CLIP's names to TC-CLIP's: the rows of in_proj are query, key and value, a third each."""
    converted: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        block, fused, kind = name.partition("attn.in_proj_")
        if not fused:
            converted[name] = tensor
            continue
        for letter, third in zip("qkv", tensor.chunk(3), strict=False):
            converted[f"{block}attn.{letter}_proj.{kind}"] = third.clone()
    return converted


def _fit_config(tensors: Mapping[str, Tensor], config: TcClipConfig | None, origin: str) -> TcClipConfig:
    """``config`` with the sizes of the weights."""
    chosen = {} if config is None else config.model_dump(include=config.model_fields_set)
    sizes = _sizes(tensors, origin)
    wrong = [
        f"{name} is {size}, not {chosen[name]}"
        for name, size in sizes.items()
        if chosen.get(name, size) != size
    ]
    if wrong:
        raise WeightsError(f"{origin}: the weights' {'; '.join(wrong)}")
    if "heads" not in chosen | sizes and sizes["width"] % HEAD_DIM:
        raise WeightsError(f"{origin}: width {sizes['width']} is not a multiple of {HEAD_DIM}; set heads")
    return parse_config(TcClipConfig, {"heads": sizes["width"] // HEAD_DIM, **chosen, **sizes}, origin)


def _sizes(tensors: Mapping[str, Tensor], origin: str) -> dict[str, int]:
    ranks = {"conv1.weight": 4, "positional_embedding": 2, "proj": 2}
    bad = [name for name, rank in ranks.items() if name not in tensors or tensors[name].ndim != rank]
    if bad:
        raise WeightsError(f"{origin}: missing or misshapen vision tensors: {', '.join(bad)}")
    width, _, patch_size, _ = tensors["conv1.weight"].shape
    layers = [int(match[1]) for name in tensors if (match := _LAYER.match(name))]
    sizes = {
        "width": width,
        "patch_size": patch_size,
        "image_size": isqrt(tensors["positional_embedding"].shape[0] - 1) * patch_size,
        "layers": 1 + max(layers, default=0),
        "out_dim": tensors["proj"].shape[1],
    }
    # in TC-CLIP's own files, one row for every head
    bias_table = tensors.get(f"transformer.resblocks.1.{BIAS_TABLE}")
    return sizes if bias_table is None else sizes | {"heads": bias_table.shape[0]}
