"""The published T2M-GPT as ours: settings from shapes, tensors renamed, and nothing missing or left over.

Its files hold nothing but tensors: the tokenizer's ``{net: ...}`` with keys that begin with ``vqvae.``, the
transformer's ``{trans: ...}`` with keys that begin with ``trans_base.`` and ``trans_head.``.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from hero_core.config import parse_config
from hero_core.errors import WeightsError
from hero_core.models.checkpoint import require_state
from hero_core.models.generators.t2mgpt import GptConfig, GptTransformer, VqConfig, VqTokenizer
from hero_core.models.positions import sinusoidal_positions
from hero_core.motion.format import FRAMES_PER_TOKEN
from hero_core.motion.statistics import MotionStatistics
from hero_core.official.convert import AVERAGES, start_averages
from hero_core.official.tensors import POSITION_TOLERANCE, read_tensors, require_tensor

VQ_KEYS = ("net",)
GPT_KEYS = ("trans",)
PUBLISHED_HEADS = 16
PUBLISHED_DILATION_GROWTH = 3
OFFICIAL_BATCH_TOKENS = 256 * 64 // FRAMES_PER_TOKEN  # 256 windows of 64 frames

_CODEBOOK = "vqvae.quantizer.codebook"
_POSITIONS = "trans_base.pos_embed.embed"
_UNUSED_POSITIONS = "trans_base.pos_embedding.weight"
_SCALE = re.compile(r"vqvae\.encoder\.model\.(\d+)\.0\.weight")
_RESIDUAL_BLOCK = re.compile(r"vqvae\.encoder\.model\.2\.1\.model\.(\d+)\.conv1\.weight")
_BLOCK = re.compile(r"(trans_base|trans_head)\.blocks\.(\d+)\.(.+)")
# official prefix -> ours
_PREFIXES = {
    "trans_base.tok_emb.": "token_embedding.",
    "trans_base.cond_emb.": "condition_projection.",
    "trans_head.ln_f.": "final_norm.",
    "trans_head.head.": "head.",
}
_BLOCK_PREFIXES = {
    "ln1.": "attention_norm.",
    "ln2.": "feed_forward_norm.",
    "attn.proj.": "attention.out.",
    "mlp.0.": "feed_forward.0.",
    "mlp.2.": "feed_forward.3.",
}


def convert_t2mgpt_vq(
    weights: Path, statistics: MotionStatistics, dilation_growth: int = PUBLISHED_DILATION_GROWTH
) -> VqTokenizer:
    """The published tokenizer as ours, in evaluation mode.

    Its file lacks the codebook's moving averages. Each code starts as the average of its even share of an official
    training batch, so that fine-tuning goes on from the codes; the published code throws them away in its first batch.

    Args:
        weights: ``net_last.pth`` or another file of the tokenizer's training.
        statistics: the mean and std that it was trained with; the published one's are in the ``meta`` folder of the
            evaluator, ``VQVAEV3_CB1024_CMT_H1024_NRES3/meta``.
        dilation_growth: of its residual blocks, which its tensors do not tell; the published one's is 3.

    Raises:
        WeightsError: the file is damaged, or its tensors are not exactly those of this model.
        InputError: the statistics are of motions of another width.
    """
    official = read_tensors(weights, VQ_KEYS)
    codes, code_dim = require_tensor(official, _CODEBOOK, 2, weights).shape
    width, motion_dim, _ = require_tensor(official, "vqvae.encoder.model.0.weight", 3, weights).shape
    sizes = {
        "motion_dim": motion_dim,
        "width": width,
        "code_dim": code_dim,
        "codebook_size": codes,
        "depth": _count(_RESIDUAL_BLOCK, official),
        "downsamplings": _count(_SCALE, official),
        "dilation_growth": dilation_growth,
        "code_reset": "official",
    }
    tokenizer = VqTokenizer(parse_config(VqConfig, sizes, str(weights)))
    tokenizer.normalisation.take(statistics)
    renamed = {
        "quantizer.layers.0.codebook" if name == _CODEBOOK else name.removeprefix("vqvae."): tensor
        for name, tensor in official.items()
    }
    own = tokenizer.network.state_dict()
    require_state({name: own[name] for name in own if not name.endswith(AVERAGES)}, renamed, weights)
    tokenizer.network.load_state_dict(own | renamed)
    start_averages(tokenizer, OFFICIAL_BATCH_TOKENS)
    return tokenizer.eval()


def convert_t2mgpt_gpt(weights: Path, heads: int = PUBLISHED_HEADS) -> GptTransformer:
    """The published causal transformer as ours, in evaluation mode.

    What it knows of its condition is CLIP's features of texts: their layer fits features of videos of the same width,
    but means nothing for them until it is trained on some.

    Args:
        weights: ``net_last.pth``, ``net_best_fid.pth`` or another file of the transformer's training.
        heads: of its attention, which its tensors do not tell; the published model has 16.

    Raises:
        WeightsError: the file is damaged, or its tensors are not exactly those of this model.
        ConfigError: the width cannot be divided among so many heads.
    """
    official = read_tensors(weights, GPT_KEYS)
    rows, width = require_tensor(official, "trans_base.tok_emb.weight", 2, weights).shape
    feature_dim = require_tensor(official, "trans_base.cond_emb.weight", 2, weights).shape[1]
    size = _check_positions(official, weights)
    settings = {
        "codebook_size": rows - 2,
        "width": width,
        "layers": sum(name.endswith(".attn.proj.weight") for name in official),
        "heads": heads,
        "ff_size": require_tensor(official, "trans_base.blocks.0.mlp.0.weight", 2, weights).shape[0],
        "max_tokens": size - 1,
        "feature_dim": feature_dim,
    }
    model = GptTransformer(parse_config(GptConfig, settings, str(weights)))
    renamed = rename_gpt(official)
    require_state(model.state_dict(), renamed, weights)
    model.load_state_dict(renamed)
    return model.eval()


def rename_gpt(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The transformer's tensors under our names.

    Query, key and value become one layer, and the two stacks of blocks one. Left out are the attention's masks, the
    position codes, which are computed, and a learned table of them, which the published code never reads. An unknown
    name stays as it is, for a strict load to refuse.
    """
    first_stack = len(
        {match[2] for name in official if (match := _BLOCK.match(name)) and match[1] == "trans_base"}
    )
    ours: dict[str, Tensor] = {}
    for name, tensor in official.items():
        if name in (_POSITIONS, _UNUSED_POSITIONS) or name.endswith(".attn.mask"):
            continue
        if block := _BLOCK.match(name):
            number = int(block[2]) + (first_stack if block[1] == "trans_head" else 0)
            ours[f"layers.{number}.{_renamed(block[3], _BLOCK_PREFIXES)}"] = tensor
        else:
            ours[_renamed(name, _PREFIXES)] = tensor
    for name in [name for name in ours if ".attn.query." in name]:
        parts = [name.replace(".query.", f".{part}.") for part in ("query", "key", "value")]
        if all(part in ours for part in parts):
            joined = torch.cat([ours.pop(part) for part in parts])
            ours[name.replace(".attn.query.", ".attention.inputs.")] = joined
    return ours


def _renamed(name: str, prefixes: Mapping[str, str]) -> str:
    for prefix, replacement in prefixes.items():
        if name.startswith(prefix):
            return replacement + name.removeprefix(prefix)
    return name


def _count(pattern: re.Pattern[str], official: Mapping[str, Tensor]) -> int:
    return sum(pattern.fullmatch(name) is not None for name in official)


def _check_positions(official: Mapping[str, Tensor], path: Path) -> int:
    """How many positions there are; refuses other codes of them than ours."""
    stored = require_tensor(official, _POSITIONS, 3, path)[:, 0]  # (positions, width)
    computed = sinusoidal_positions(*stored.shape)
    if stored.shape != computed.shape or not torch.allclose(stored, computed, atol=POSITION_TOLERANCE):
        raise WeightsError(f"{path}: {_POSITIONS} does not hold the sinusoidal position codes")
    return len(stored)
