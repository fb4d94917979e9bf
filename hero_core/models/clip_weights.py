"""Reading the vision tower's weights: TC-CLIP checkpoints, OpenAI's CLIP archives, state dicts, safetensors.

Loading is strict. Everything outside the vision tower (text side, prompts, logit scale) is ignored; inside it,
a missing, unexpected or misshapen tensor is an error that names it.
"""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hero_core.errors import WeightsError
from hero_core.models.tc_clip import TcClip, TcClipConfig

HEAD_DIM = 64  # of every published CLIP ViT
BIAS_TABLE = "attn.local_global_bias_table"


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
        WeightsError: names every missing, unexpected and misshapen tensor, or the setting that does not fit.
    """
    fitted = _fit_config(weights.tensors, config, origin)
    with torch.device("meta"):  # the weights replace every parameter, so none is drawn
        model = TcClip(fitted)
    wanted = model.state_dict()
    tensors = dict(weights.tensors)
    if weights.is_plain_clip:
        tensors |= {name: torch.zeros(wanted[name].shape) for name in wanted if name.endswith(BIAS_TABLE)}
    _check_tensors(tensors, wanted, origin)
    model.load_state_dict(tensors, strict=True, assign=True)
    return model.eval().requires_grad_(False)


def _read_state(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    if isinstance(content, Mapping) and isinstance(content.get("model"), Mapping):
        content = content["model"]  # TC-CLIP keeps epoch, accuracy and optimiser beside it
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: holds a {type(content).__name__}, not a dictionary of tensors")
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise WeightsError(f"{path}: not a readable safetensors file: {error}") from None


def _read_torch(path: Path) -> Any:
    if not zipfile.is_zipfile(path):
        raise WeightsError(
            f"{path}: not a PyTorch weights file, or damaged (they are zip archives since PyTorch 1.6); "
            "copy or download it again"
        )
    try:
        if _is_torchscript(path):
            # Reads code and tensors; no method of the archive is called.
            return torch.jit.load(path, map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:
        unsafe = ", ".join(torch.serialization.get_unsafe_globals_in_checkpoint(path))
        raise WeightsError(
            f"{path}: holds more than tensors ({unsafe}), which could run code, so it was not loaded. If you "
            "trust its source, open it once with torch.load(weights_only=False) and save {'model': its 'model'}"
        ) from None
    except (RuntimeError, EOFError) as error:
        raise WeightsError(f"{path}: damaged weights file: {str(error).partition(chr(10))[0]}") from None


def _is_torchscript(path: Path) -> bool:
    """OpenAI publishes CLIP as TorchScript: a zip that holds code and its constants beside the tensors."""
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


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


def _count_layers(tensors: Mapping[str, Tensor]) -> int:
    names = (name.split(".") for name in tensors if name.startswith("transformer.resblocks."))
    return 1 + max((int(parts[2]) for parts in names if parts[2].isdecimal()), default=-1)


def _fit_config(tensors: Mapping[str, Tensor], config: TcClipConfig | None, origin: str) -> TcClipConfig:
    """``config`` with the sizes of the weights."""
    given = {} if config is None else config.model_dump(include=config.model_fields_set)
    sizes = _sizes(tensors, origin)
    wrong = [
        f"{name} is {sizes[name]}, not {given[name]}"
        for name in sizes
        if name in given and given[name] != sizes[name]
    ]
    if wrong:
        raise WeightsError(f"{origin}: the weights' {'; '.join(wrong)}")
    values = {"heads": sizes["width"] // HEAD_DIM, **given, **sizes}
    if "heads" not in (given | sizes) and sizes["width"] % HEAD_DIM:
        raise WeightsError(f"{origin}: width {sizes['width']} is not a multiple of {HEAD_DIM}; set heads")
    try:
        return TcClipConfig.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(problem["msg"] for problem in error.errors())
        raise WeightsError(f"{origin}: the weights do not fit these settings: {problems}") from None


def _sizes(tensors: Mapping[str, Tensor], origin: str) -> dict[str, int]:
    ranks = {"conv1.weight": 4, "positional_embedding": 2, "proj": 2}
    bad = [name for name, rank in ranks.items() if name not in tensors or tensors[name].ndim != rank]
    if bad:
        raise WeightsError(f"{origin}: missing or misshapen vision tensors: {', '.join(bad)}")
    width, _, patch_size, _ = tensors["conv1.weight"].shape
    patches = tensors["positional_embedding"].shape[0] - 1
    sizes = {
        "width": width,
        "patch_size": patch_size,
        "image_size": isqrt(patches) * patch_size,
        "layers": max(1, _count_layers(tensors)),
        "out_dim": tensors["proj"].shape[1],
    }
    bias_table = tensors.get(
        f"transformer.resblocks.1.{BIAS_TABLE}"
    )  # one row a head, in TC-CLIP's own files
    return sizes if bias_table is None else sizes | {"heads": bias_table.shape[0]}


def _check_tensors(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], origin: str) -> None:
    missing = sorted(wanted.keys() - given.keys())
    unexpected = sorted(given.keys() - wanted.keys())
    misshapen = [
        f"{name} {tuple(given[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in sorted(wanted.keys() & given.keys())
        if given[name].shape != wanted[name].shape
    ]
    problems = [
        f"{kind}: {', '.join(names)}"
        for kind, names in (("missing", missing), ("unexpected", unexpected), ("wrong shape", misshapen))
        if names
    ]
    if problems:
        raise WeightsError(f"{origin}: not this vision tower's weights; {'; '.join(problems)}")
