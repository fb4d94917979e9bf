"""Import of the official motion tokenizer (an RVQ folder: ``model/*.tar``, ``opt.txt``, ``meta/``)."""

from pathlib import Path

import torch

from hero_core.config import parse_config
from hero_core.errors import WeightsError
from hero_core.models.codec import MotionCodec
from hero_core.models.rvq import RvqConfig
from hero_core.official.opt_txt import Options, read_opt_txt, require_option
from hero_core.official.reading import read_official, read_statistics, require_exact

STATE_KEYS = ("vq_model", "net")
AVERAGES = ("code_sum", "code_count", "initialised")  # what the release keeps out of its files
REQUIRED = {
    "width": "width",
    "code_dim": "code_dim",
    "codebook_size": "nb_code",
    "quantizers": "num_quantizers",
    "depth": "depth",
    "downsamplings": "down_t",
    "dilation_growth": "dilation_growth_rate",
}
OPTIONAL = {
    "quantize_dropout": "quantize_dropout_prob",
    "ema_decay": "mu",
    "local_position_weight": "loss_vel",
    "commitment_weight": "commit",
}
SUPPORTED: Options = {
    "stride_t": 2,
    "vq_act": "relu",
    "vq_norm": None,
    "shared_codebook": False,
    "recons_loss": "l1_smooth",
}
OFFICIAL_BATCH_TOKENS = 256 * 20 // 4  # 256 windows of 20 frames
LEAST_COUNT = 2.0  # a count below 1 means a code out of use


def import_rvq(model_file: Path, opt_txt: Path, meta_dir: Path) -> MotionCodec:
    """The official tokenizer as ours, in evaluation mode.

    Official files lack the codebooks' moving averages, and the official fine-tuning therefore replaces every
    code in its first batch. We let training go on from the loaded codes instead: each starts as the average of
    its even share of an official training batch, so that a code nobody uses any more fades only over the
    following hundred batches or so. :meth:`ResidualQuantizer.forget` gives the official behaviour.

    Args:
        model_file: ``model/net_best_fid.tar``, ``model/latest.tar`` or the like.
        opt_txt: the options of the same run.
        meta_dir: its ``meta`` folder; ``mean.npy`` and ``std.npy`` are used as they are.

    Raises:
        WeightsError: the weights cannot be read or do not fit the options, or the options ask for what the
            released models do not use (normalisation layers, a shared codebook).
        InputError: options or statistics are missing or cannot be read.
        ConfigError: an option has an impossible value.
    """
    options = read_opt_txt(opt_txt)
    mean, std = read_statistics(meta_dir / "mean.npy", meta_dir / "std.npy")
    config = _config(options, opt_txt, mean.numel())
    codec = MotionCodec(config, mean, std)
    state = read_official(model_file, STATE_KEYS)
    own = codec.vae.state_dict()
    require_exact(state, {name: own[name] for name in own if not name.endswith(AVERAGES)}, model_file)
    codec.vae.load_state_dict(own | state)
    _start_averages(codec)
    return codec.eval()


def _config(options: Options, opt_txt: Path, motion_dim: int) -> RvqConfig:
    for name, supported in SUPPORTED.items():
        if options.get(name, supported) != supported:
            raise WeightsError(f"{opt_txt}: {name} is {options[name]!r}; only {supported!r} can be imported")
    values = {field: require_option(options, name, opt_txt) for field, name in REQUIRED.items()}
    values |= {field: options[name] for field, name in OPTIONAL.items() if name in options}
    if options.get("output_emb_width", values["code_dim"]) != values["code_dim"]:
        raise WeightsError(
            f"{opt_txt}: output_emb_width and code_dim differ; such a model cannot be imported"
        )
    return parse_config(RvqConfig, values | {"motion_dim": motion_dim}, str(opt_txt))


@torch.no_grad()
def _start_averages(codec: MotionCodec) -> None:
    """Give every code the moving average it would have had if all codes were used evenly."""
    for layer in codec.vae.quantizer.codebooks:
        layer.code_count.fill_(max(OFFICIAL_BATCH_TOKENS / len(layer.codebook), LEAST_COUNT))
        layer.code_sum.copy_(layer.codebook * layer.code_count[:, None])
        layer.initialised.fill_(True)
