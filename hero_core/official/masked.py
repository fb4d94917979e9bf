"""The official masked transformer, converted strictly."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from hero_core.config import parse_config
from hero_core.models.masked import MaskedConfig, MaskedTransformer
from hero_core.official.reading import read_official, require_exact
from hero_core.official.transformer import check_positions, read_sizes, rename_tensors, require_tensor

KEYS = ("t2m_transformer", "trans")


def import_masked(model_file: Path, opt_txt: Path) -> MaskedTransformer:
    """The official masked transformer as ours, in evaluation mode.

    Args:
        model_file: ``model/net_best_fid.tar`` or ``model/latest.tar``.
        opt_txt: the options of the same run.

    Raises:
        WeightsError: the file is damaged, or its tensors are not exactly those of this model.
        InputError: the options are missing or incomplete.
    """
    official = read_official(model_file, KEYS)
    config = masked_config(official, model_file, opt_txt)
    check_positions(official, config.max_tokens, model_file)
    model = MaskedTransformer(config)
    converted = rename_tensors(official)
    require_exact(converted, model.state_dict(), model_file)
    model.load_state_dict(converted)
    return model.eval()


def masked_config(official: Mapping[str, Tensor], model_file: Path, opt_txt: Path) -> MaskedConfig:
    """Settings of official weights; the official way of counting masked tokens is among them."""
    embedding = require_tensor(official, "token_emb.weight", 2, model_file)  # (codes + 2, code_dim)
    settings = read_sizes(official, opt_txt, model_file) | {
        "codebook_size": embedding.shape[0] - 2,
        "code_dim": embedding.shape[1],
        "mask_over_padded": True,
    }
    return parse_config(MaskedConfig, settings, str(opt_txt))
