"""Each official model as ours: settings from options and shapes, tensors renamed, and nothing missing or left over."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from hero_core.config import parse_config
from hero_core.errors import InputError, WeightsError
from hero_core.models.checkpoint import require_state
from hero_core.models.evaluator import CONTACT_DIMS, EvaluatorConfig, MotionEvaluator
from hero_core.models.generators.hero.masked import MaskedConfig, MaskedTransformer
from hero_core.models.generators.hero.residual import ResidualConfig, ResidualTransformer
from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.models.tokenizers.rvq_config import RvqConfig
from hero_core.motion.format import FRAMES_PER_TOKEN
from hero_core.motion.statistics import MotionStatistics
from hero_core.official.options import Options, read_options, require_option
from hero_core.official.tensors import (
    ENCODERS,
    MASKED_KEYS,
    RESIDUAL_KEYS,
    RVQ_KEYS,
    SHARED_TABLE,
    check_positions,
    read_tensors,
    rename_residual,
    rename_transformer,
    require_tensor,
)

AVERAGES = ("code_sum", "code_count", "initialised")
"""Of each codebook; the release keeps them out of its files."""

OFFICIAL_BATCH_TOKENS = 256 * 20 // FRAMES_PER_TOKEN  # 256 windows of 20 frames
LEAST_COUNT = 2.0  # a count below 1 means a code out of use

# our setting -> the official option
_RVQ_REQUIRED = {
    "width": "width",
    "code_dim": "code_dim",
    "codebook_size": "nb_code",
    "quantizers": "num_quantizers",
    "depth": "depth",
    "downsamplings": "down_t",
    "dilation_growth": "dilation_growth_rate",
}
_RVQ_OPTIONAL = {
    "quantize_dropout": "quantize_dropout_prob",
    "ema_decay": "mu",
    "local_position_weight": "loss_vel",
    "commitment_weight": "commit",
}
_TRANSFORMER_REQUIRED = {
    "latent_dim": "latent_dim",
    "ff_size": "ff_size",
    "layers": "n_layers",
    "heads": "n_heads",
    "dropout": "dropout",
    "condition_drop": "cond_drop_prob",
}
_HABITS = {"guidance_keeps_frames": True, "frame_time": "none"}
_EVALUATOR_OPTIONAL = {
    "movement_hidden": "dim_movement_enc_hidden",
    "movement_dim": "dim_movement_latent",
    "motion_hidden": "dim_motion_hidden",
    "embedding_dim": "dim_coemb_hidden",
}
_RVQ_SUPPORTED: Options = {
    "stride_t": 2,
    "vq_act": "relu",
    "vq_norm": None,
    "shared_codebook": False,
    "recons_loss": "l1_smooth",
}


def convert_rvq(weights: Path, opt_txt: Path, statistics: MotionStatistics) -> RvqTokenizer:
    """The official tokenizer as ours, in evaluation mode.

    Official files lack the codebooks' moving averages, and the official fine-tuning therefore replaces every
    code in its first batch. We let training go on from the loaded codes instead: each starts as the average of
    its even share of an official training batch, so that a code nobody uses any more fades only over the
    following hundred batches or so.

    Args:
        weights: ``model/net_best_fid.tar``, ``model/latest.tar`` or the like.
        opt_txt: the options of the same run.
        statistics: its ``meta/mean.npy`` and ``meta/std.npy``, as they are.

    Raises:
        WeightsError: the weights cannot be read or do not fit the options, or the options are ones that the
            released models do not use (normalisation layers, a shared codebook).
        InputError: the options are missing or cannot be read.
        ConfigError: an option has an impossible value.
    """
    tokenizer = RvqTokenizer(_rvq_config(opt_txt))
    tokenizer.normalisation.take(statistics)
    official, own = read_tensors(weights, RVQ_KEYS), tokenizer.network.state_dict()
    require_state({name: own[name] for name in own if not name.endswith(AVERAGES)}, official, weights)
    tokenizer.network.load_state_dict(own | official)
    start_averages(tokenizer, OFFICIAL_BATCH_TOKENS)
    return tokenizer.eval()


def start_averages(tokenizer: RvqTokenizer, batch_tokens: int) -> None:
    """Let training go on from the codes: each as the average of its even share of a batch of so many tokens."""
    for layer in tokenizer.network.quantizer.codebooks:
        layer.code_count.fill_(max(batch_tokens / len(layer.codebook), LEAST_COUNT))
        layer.code_sum.copy_(layer.codebook * layer.code_count[:, None])
        layer.initialised.fill_(True)


def convert_masked(weights: Path, opt_txt: Path) -> MaskedTransformer:
    """The official masked transformer as ours, in evaluation mode.

    Args:
        weights: ``model/net_best_fid.tar`` or ``model/latest.tar``.
        opt_txt: the options of the same run.

    Raises:
        WeightsError: the file is damaged, or its tensors are not exactly those of this model.
        InputError: the options are missing or incomplete.
        ConfigError: an option has an impossible value.
    """
    official = read_tensors(weights, MASKED_KEYS)
    embedding = require_tensor(official, "token_emb.weight", 2, weights)  # (codes + 2, code_dim)
    settings = transformer_settings(official, weights, opt_txt) | {
        **_HABITS,
        "codebook_size": embedding.shape[0] - 2,
        "code_dim": embedding.shape[1],
        "mask_over_padded": True,
    }
    model = MaskedTransformer(parse_config(MaskedConfig, settings, str(opt_txt)))
    load_transformer(model, official, rename_transformer(official), weights)
    return model.eval()


def convert_residual(weights: Path, opt_txt: Path) -> ResidualTransformer:
    """The official residual transformer as ours, with or without shared weights; as :func:`convert_masked`."""
    official = read_tensors(weights, RESIDUAL_KEYS)
    settings = (
        transformer_settings(official, weights, opt_txt) | residual_settings(official, weights) | _HABITS
    )
    model = ResidualTransformer(parse_config(ResidualConfig, settings, str(opt_txt)))
    load_transformer(model, official, rename_residual(official), weights)
    return model.eval()


def convert_evaluator(weights: Path, opt_txt: Path | None, statistics: MotionStatistics) -> MotionEvaluator:
    """The official evaluator (``text_mot_match/model/finest.tar``) as ours, in evaluation mode.

    Args:
        weights: its ``.tar``; sizes are read off the tensors.
        opt_txt: its options, if there; only checked against the tensors.
        statistics: of the motions it is to see: the files that the official run stored, never a recomputed
            ``Std.npy``, as the release divides some columns twice.

    Raises:
        WeightsError: the weights cannot be read, do not fit, or contradict the options.
        InputError: the options cannot be read, or the statistics do not fit the weights.
    """
    official = {
        f"{encoder}.{name}": tensor
        for encoder in ENCODERS
        for name, tensor in read_tensors(weights, (encoder,)).items()
    }
    movement_hidden, seen_dims, _ = require_tensor(
        official, "movement_encoder.main.0.weight", 3, weights
    ).shape
    config = EvaluatorConfig(
        motion_dim=seen_dims + CONTACT_DIMS,
        movement_hidden=movement_hidden,
        movement_dim=require_tensor(official, "movement_encoder.main.3.weight", 3, weights).shape[0],
        motion_hidden=require_tensor(official, "motion_encoder.hidden", 3, weights).shape[-1],
        embedding_dim=require_tensor(official, "motion_encoder.output_net.3.weight", 2, weights).shape[0],
    )
    options = {} if opt_txt is None else read_options(opt_txt)
    stated = {option: getattr(config, name) for name, option in _EVALUATOR_OPTIONAL.items()}
    for name, value in {**stated, "unit_length": FRAMES_PER_TOKEN}.items():
        if options.get(name, value) != value:
            raise WeightsError(f"{opt_txt}: {name} is {options[name]}, but the weights have {value}")
    evaluator = MotionEvaluator(config)
    evaluator.normalisation.take(statistics)
    own = evaluator.state_dict()
    require_state({name: own[name] for name in own if name.startswith(ENCODERS)}, official, weights)
    evaluator.load_state_dict(own | official)
    return evaluator.eval()


def _rvq_config(opt_txt: Path) -> RvqConfig:
    options = read_options(opt_txt)
    for name, supported in _RVQ_SUPPORTED.items():
        if options.get(name, supported) != supported:
            raise WeightsError(f"{opt_txt}: {name} is {options[name]!r}; only {supported!r} can be imported")
    values = {ours: require_option(options, name, opt_txt) for ours, name in _RVQ_REQUIRED.items()}
    values |= {ours: options[name] for ours, name in _RVQ_OPTIONAL.items() if name in options}
    if options.get("output_emb_width", values["code_dim"]) != values["code_dim"]:
        raise WeightsError(
            f"{opt_txt}: output_emb_width and code_dim differ; such a model cannot be imported"
        )
    return parse_config(RvqConfig, values, str(opt_txt))


def transformer_settings(official: Mapping[str, Tensor], weights: Path, opt_txt: Path) -> dict[str, Any]:
    """Settings of HERO's, MoMask's and BAMM's transformers that ``opt.txt`` states or, where it is silent, the weights.

    Raises:
        WeightsError: the weights have no projection of a condition.
        InputError: an option is missing or impossible.
    """
    options = read_options(opt_txt)
    frames, unit = (require_option(options, name, opt_txt) for name in ("max_motion_length", "unit_length"))
    if not isinstance(frames, int) or not isinstance(unit, int) or unit < 1:
        raise InputError(f"{opt_txt}: max_motion_length {frames!r} and unit_length {unit!r} must be numbers")
    stated = {ours: require_option(options, name, opt_txt) for ours, name in _TRANSFORMER_REQUIRED.items()}
    projection = require_tensor(official, "cond_emb.weight", 2, weights)  # (latent, feature_dim)
    return {
        **stated,
        "max_tokens": frames // unit,
        "feature_dim": projection.shape[1],
    }


def residual_settings(official: Mapping[str, Tensor], weights: Path) -> dict[str, Any]:
    """What the tensors of HERO's or MoMask's residual transformer say of its settings.

    Raises:
        WeightsError: a table is missing.
    """
    share = SHARED_TABLE in official
    table = require_tensor(official, SHARED_TABLE if share else "output_proj_weight", 3, weights)
    layers, classes, code_dim = table.shape
    return {
        "codebook_size": classes - 1,
        "code_dim": code_dim,
        "quantizers": layers + 2 if share else layers + 1,
        "share_weights": share,
        "allow_pad_class": True,
    }


def load_transformer(
    model: MaskedTransformer | ResidualTransformer,
    official: Mapping[str, Tensor],
    renamed: Mapping[str, Tensor],
    weights: Path,
) -> None:
    """Take exactly these tensors, whose ``official`` position codes have to be ours.

    Raises:
        WeightsError: they are not exactly those of the model.
    """
    check_positions(official, model.config.max_tokens, weights)
    require_state(model.state_dict(), renamed, weights)
    model.load_state_dict(renamed)
