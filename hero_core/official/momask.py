"""MoMask's published transformers as ours. Its tokenizer is HERO's, see :func:`hero_core.official.convert.convert_rvq`.

They were trained on texts: ``cond_emb`` has the shape that a video feature of 512 numbers needs, but means nothing for
one, so that these weights are a start to train from, not a model that reacts. The length estimator is for texts alone.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from hero_core.config import parse_config
from hero_core.errors import WeightsError
from hero_core.models.generators.momask import (
    MomaskMasked,
    MomaskMaskedConfig,
    MomaskResidual,
    MomaskResidualConfig,
)
from hero_core.motion.format import FRAMES_PER_TOKEN, MAX_FRAMES
from hero_core.official.convert import load_transformer, residual_settings, transformer_settings
from hero_core.official.options import read_options
from hero_core.official.tensors import (
    MASKED_KEYS,
    RESIDUAL_KEYS,
    read_tensors,
    rename_residual,
    rename_transformer,
    require_tensor,
)

BAMM_OPTION = "trans"
"""Which transformer BAMM builds; MoMask's options lack it."""

ENCODER, DECODER = "seqTransEncoder.", "seqTransDecoder."
"""What the names of the layers begin with: MoMask's and BAMM's, and HERO's."""

_NORM_OF_FEED_FORWARD = re.compile(r"(layers\.\d+)\.norm2\.")  # a decoder's third


def convert_momask_masked(weights: Path, opt_txt: Path) -> MomaskMasked:
    """MoMask's masked transformer (``t2m_nlayer8_...``) as ours, in evaluation mode.

    Args:
        weights: ``model/latest.tar``, with which MoMask generates, or ``model/net_best_fid.tar``.
        opt_txt: the options of the same run.

    Raises:
        WeightsError: the file is damaged, or its tensors are not exactly those of this model. HERO and BAMM keep theirs
            under the same names; they are refused.
        InputError: the options are missing or incomplete.
        ConfigError: an option has an impossible value.
    """
    official = read_tensors(weights, MASKED_KEYS)
    if BAMM_OPTION in read_options(opt_txt):
        raise WeightsError(
            f"{weights}: BAMM's transformer, by the option {BAMM_OPTION} of {opt_txt}; not MoMask's"
        )
    embedding = require_tensor(official, "token_emb.weight", 2, weights)  # (codes + 2, code_dim)
    settings = encoder_settings(official, weights, opt_txt) | {
        "codebook_size": embedding.shape[0] - 2,
        "code_dim": embedding.shape[1],
        "mask_over_padded": True,
    }
    model = MomaskMasked(parse_config(MomaskMaskedConfig, settings, str(opt_txt)))
    load_transformer(model, official, rename_transformer(as_decoder(official)), weights)
    return model.eval()


def convert_momask_residual(weights: Path, opt_txt: Path) -> MomaskResidual:
    """MoMask's residual transformer (``tres_nlayer8_..._sw``) as ours; as :func:`convert_momask_masked`.

    BAMM generates with the same file.
    """
    official = read_tensors(weights, RESIDUAL_KEYS)
    settings = encoder_settings(official, weights, opt_txt) | residual_settings(official, weights)
    model = MomaskResidual(parse_config(MomaskResidualConfig, settings, str(opt_txt)))
    load_transformer(model, official, rename_residual(as_decoder(official)), weights)
    return model.eval()


def encoder_settings(official: Mapping[str, Tensor], weights: Path, opt_txt: Path) -> dict[str, Any]:
    """Settings that MoMask's two transformers and BAMM's have in common.

    Their positions are computed, so that there is room for 200 frames, of which the published ones saw 196.

    Raises:
        WeightsError: the tensors are those of HERO, whose units also see the frames.
        InputError: an option is missing or impossible.
    """
    if any(name.startswith(DECODER) for name in official):
        raise WeightsError(f"{weights}: a transformer of HERO, which attends to frames; import it as HERO's")
    settings = transformer_settings(official, weights, opt_txt)
    return settings | {"max_tokens": max(settings["max_tokens"], MAX_FRAMES // FRAMES_PER_TOKEN)}


def as_decoder(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of an encoder under the names that they have in HERO's decoder, which has one more attention."""
    return {_as_decoder(name): tensor for name, tensor in official.items()}


def _as_decoder(name: str) -> str:
    if not name.startswith(ENCODER):
        return name
    return DECODER + _NORM_OF_FEED_FORWARD.sub(r"\1.norm3.", name.removeprefix(ENCODER))
