"""The official residual transformer, converted strictly."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from hero_core.config import parse_config
from hero_core.models.residual import ResidualConfig, ResidualTransformer
from hero_core.official.reading import read_official, require_exact
from hero_core.official.transformer import check_positions, read_sizes, rename_tensors, require_tensor

KEYS = ("res_transformer",)
SHARED_TABLE = "embed_proj_shared_weight"

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


def import_residual(model_file: Path, opt_txt: Path) -> ResidualTransformer:
    """The official residual transformer as ours, with or without shared weights, in evaluation mode.

    Args:
        model_file: ``model/net_best_fid.tar`` or ``model/latest.tar``.
        opt_txt: the options of the same run.

    Raises:
        WeightsError: the file is damaged, or its tensors are not exactly those of this model.
        InputError: the options are missing or incomplete.
    """
    official = read_official(model_file, KEYS)
    config = residual_config(official, model_file, opt_txt)
    check_positions(official, config.max_tokens, model_file)
    model = ResidualTransformer(config)
    converted = convert_residual(official)
    require_exact(converted, model.state_dict(), model_file)
    model.load_state_dict(converted)
    return model.eval()


def residual_config(official: Mapping[str, Tensor], model_file: Path, opt_txt: Path) -> ResidualConfig:
    """Settings of official weights; the official freedom to draw [PAD] is among them."""
    share = SHARED_TABLE in official
    name = SHARED_TABLE if share else "output_proj_weight"
    layers, classes, code_dim = require_tensor(official, name, 3, model_file).shape
    settings = read_sizes(official, opt_txt, model_file) | {
        "codebook_size": classes - 1,
        "code_dim": code_dim,
        "quantizers": layers + 2 if share else layers + 1,
        "share_weights": share,
        "allow_pad_class": True,
    }
    return parse_config(ResidualConfig, settings, str(opt_txt))


def convert_residual(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under our names, such that our logits equal the official ones.

    The official model computes ``2 W h + b`` unless weights are shared (it adds the projection to itself together
    with the bias); we compute ``W h + b``, so its W is doubled here, once. Its bias has a last row that is never used.
    """
    share = SHARED_TABLE in official
    tables = _TABLES_WITH_SHARED_WEIGHTS if share else _TABLES
    converted = rename_tensors({name: tensor for name, tensor in official.items() if name not in tables})
    converted |= {ours: official[name] for name, ours in tables.items() if name in official}
    if not share and "tables.predict_own" in converted and "tables.bias" in converted:
        converted["tables.predict_own"] = 2 * converted["tables.predict_own"]
        converted["tables.bias"] = converted["tables.bias"][: len(converted["tables.predict_own"])]
    return converted
