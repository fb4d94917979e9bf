"""BAMM's published transformer as ours. Its tokenizer and its residual transformer are MoMask's.

It was trained on texts, so that it is a start to train from, not a model that reacts; see
:mod:`hero_core.official.momask`.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from hero_core.config import parse_config
from hero_core.errors import WeightsError
from hero_core.models.checkpoint import require_state
from hero_core.models.generators.bamm import BammConfig, BammTransformer
from hero_core.official.momask import BAMM_OPTION, encoder_settings
from hero_core.official.options import read_options
from hero_core.official.tensors import MASKED_KEYS, POSITIONS, check_positions, read_tensors, require_tensor

UNUSED_ROWS = 2
"""Of the token embedding, behind END: [PAD], which nothing that counts can see, and [MASK], which is never used."""

_SUPPORTED = "official"
# official name -> ours
_NAMES = (
    (re.compile(r"^seqTransEncoder\.layers\.(\d+)\.self_attn\.in_proj_"), r"units.\1.attention.inputs."),
    (re.compile(r"^seqTransEncoder\.layers\.(\d+)\.self_attn\.out_proj\."), r"units.\1.attention.out."),
    (re.compile(r"^seqTransEncoder\.layers\.(\d+)\.linear1\."), r"units.\1.feed_forward.0."),
    (re.compile(r"^seqTransEncoder\.layers\.(\d+)\.linear2\."), r"units.\1.feed_forward.3."),
    (re.compile(r"^seqTransEncoder\.layers\.(\d+)\.norm1\."), r"units.\1.attention_norm."),
    (re.compile(r"^seqTransEncoder\.layers\.(\d+)\.norm2\."), r"units.\1.feed_forward_norm."),
    (re.compile(r"^input_process\.poseEmbedding\."), "token_projection."),
    (re.compile(r"^output_process\.dense\."), "head.0."),
    (re.compile(r"^output_process\.LayerNorm\."), "head.2."),
    (re.compile(r"^output_process\.poseFinal\."), "head.3."),
    (re.compile(r"^token_emb\."), "token_embedding."),
    (re.compile(r"^cond_emb\."), "condition_projection."),
)


def convert_bamm(weights: Path, opt_txt: Path) -> BammTransformer:
    """BAMM's transformer (``..._GPT_officialTrans_2iterPrdictEnd``) as ours, in evaluation mode.

    Args:
        weights: ``model/latest.tar``.
        opt_txt: the options of the same run.

    Raises:
        WeightsError: the file is damaged, its tensors are not exactly those of this model, or it is BAMM's other kind
            of transformer, with blocks of its own (``--trans t2mgpt``).
        InputError: the options are missing or incomplete.
        ConfigError: an option has an impossible value.
    """
    official = read_tensors(weights, MASKED_KEYS)
    if (kind := read_options(opt_txt).get(BAMM_OPTION, _SUPPORTED)) != _SUPPORTED:
        raise WeightsError(f"{opt_txt}: {BAMM_OPTION} is {kind!r}; only {_SUPPORTED!r} can be imported")
    embedding = require_tensor(official, "token_emb.weight", 2, weights)  # (codes + 3, code_dim)
    settings = encoder_settings(official, weights, opt_txt) | {
        "codebook_size": embedding.shape[0] - 1 - UNUSED_ROWS,
        "code_dim": embedding.shape[1],
    }
    model = BammTransformer(parse_config(BammConfig, settings, str(opt_txt)))
    check_positions(official, len(model.positions), weights)
    renamed = rename_bamm(official)
    require_state(model.state_dict(), renamed, weights)
    model.load_state_dict(renamed)
    return model.eval()


def rename_bamm(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under our names, without embeddings of ids that are never used and without the position codes.

    An unknown name stays as it is, for a strict load to refuse.
    """
    ours: dict[str, Tensor] = {}
    for name, tensor in official.items():
        if name == POSITIONS:
            continue
        for pattern, replacement in _NAMES:
            name = pattern.sub(replacement, name)
        ours[name] = tensor[:-UNUSED_ROWS] if name == "token_embedding.weight" else tensor
    return ours
