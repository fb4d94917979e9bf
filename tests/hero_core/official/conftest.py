"""Tiny models in the official layout, made here."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.models.tokenizers.rvq_config import RvqConfig

WriteModel: TypeAlias = Callable[..., Path]

SIZES = {"latent_dim": 16, "ff_size": 24, "n_layers": 2, "n_heads": 2}
CODES, CODE_DIM, FEATURE_DIM, QUANTIZERS = 8, 12, 32, 4
AVERAGES = ("code_sum", "code_count", "initialised")
RVQ_OPTIONS = {
    "width": 8,
    "code_dim": 12,
    "nb_code": 8,
    "num_quantizers": 4,
    "depth": 1,
    "down_t": 2,
    "dilation_growth_rate": 3,
    "output_emb_width": 12,
}


def module_tensors(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in module.state_dict().items()}


def decoder_tensors(head_out: int) -> dict[str, Tensor]:
    """What both of HERO's transformers hold."""
    layer = nn.TransformerDecoderLayer(*_layer_sizes(), activation="gelu")
    tensors = module_tensors("seqTransDecoder", nn.TransformerDecoder(layer, SIZES["n_layers"]))
    intention = "global_local_crossatt_block"
    for norm in ("ln1", "ln2", "ln3"):
        tensors |= module_tensors(f"{intention}.{norm}", nn.LayerNorm(FEATURE_DIM))
    for name in ("key", "query", "value", "proj"):
        tensors |= module_tensors(f"{intention}.attn.{name}", nn.Linear(FEATURE_DIM, FEATURE_DIM))
    tensors |= module_tensors(f"{intention}.mlp.0", nn.Linear(FEATURE_DIM, 4 * FEATURE_DIM))
    tensors |= module_tensors(f"{intention}.mlp.2", nn.Linear(4 * FEATURE_DIM, FEATURE_DIM))
    return tensors | _ends(head_out)


def encoder_tensors(head_out: int) -> dict[str, Tensor]:
    """What MoMask's transformers and BAMM's hold."""
    layer = nn.TransformerEncoderLayer(*_layer_sizes(), activation="gelu")
    encoder = nn.TransformerEncoder(layer, SIZES["n_layers"], enable_nested_tensor=False)
    return module_tensors("seqTransEncoder", encoder) | _ends(head_out)


def _layer_sizes() -> tuple[int, int, int]:
    return SIZES["latent_dim"], SIZES["n_heads"], SIZES["ff_size"]


def _ends(head_out: int) -> dict[str, Tensor]:
    """What is before and behind the layers."""
    latent = SIZES["latent_dim"]
    tensors = module_tensors("input_process.poseEmbedding", nn.Linear(CODE_DIM, latent))
    tensors |= module_tensors("cond_emb", nn.Linear(FEATURE_DIM, latent))
    tensors |= module_tensors("output_process.dense", nn.Linear(latent, latent))
    tensors |= module_tensors("output_process.LayerNorm", nn.LayerNorm(latent))
    tensors |= module_tensors("output_process.poseFinal", nn.Linear(latent, head_out))
    angles = torch.arange(5000)[:, None] * 10000 ** (-torch.arange(0, latent, 2) / latent)
    tensors["position_enc.pe"] = torch.stack([angles.sin(), angles.cos()], dim=-1).reshape(5000, 1, latent)
    return tensors


@pytest.fixture
def masked_tensors() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return decoder_tensors(CODES) | module_tensors("token_emb", nn.Embedding(CODES + 2, CODE_DIM))


@pytest.fixture
def residual_tensors() -> dict[str, Tensor]:
    torch.manual_seed(1)
    tensors = decoder_tensors(CODE_DIM) | module_tensors(
        "quant_emb", nn.Linear(QUANTIZERS, SIZES["latent_dim"])
    )
    return tensors | {
        "token_embed_weight": torch.randn(QUANTIZERS - 1, CODES + 1, CODE_DIM),
        "output_proj_weight": torch.randn(QUANTIZERS - 1, CODES + 1, CODE_DIM),
        "output_proj_bias": torch.randn(QUANTIZERS, CODES + 1),
    }


@pytest.fixture
def write_model(tmp_path: Path) -> WriteModel:
    """Writes ``checkpoints/vimo/NAME/{opt.txt,model/FILE}``; gives the path of FILE."""

    def write(
        name: str,
        key: str,
        tensors: Mapping[str, Tensor],
        options: Mapping[str, object] | None = None,
        file: str = "net_best_fid.tar",
    ) -> Path:
        folder = tmp_path / "checkpoints" / "vimo" / name
        (folder / "model").mkdir(parents=True, exist_ok=True)
        stated = {
            **SIZES,
            "dropout": 0.2,
            "cond_drop_prob": 0.1,
            "max_motion_length": 200,
            "unit_length": 4,
            "vq_name": "rvq",
            **(options or {}),
        }
        write_options(folder / "opt.txt", stated)
        torch.save({key: dict(tensors), "ep": 7}, folder / "model" / file)
        return folder / "model" / file

    return write


def write_options(path: Path, options: Mapping[str, object]) -> None:
    """Write an ``opt.txt``."""
    lines = [f"{option}: {value}" for option, value in sorted(options.items()) if value is not None]
    dashes = "-" * 12
    text = "\n".join([f"{dashes} Options {dashes}", *lines, f"{dashes} End {dashes}"])
    path.write_text(text + "\n")


def write_rvq_folder(folder: Path, key: str = "vq_model") -> Path:
    """Write a tiny tokenizer as HERO and MoMask do: ``{opt.txt,meta/,model/net_best_fid.tar}``; gives the last."""
    tokenizer = RvqTokenizer(RvqConfig(width=8, code_dim=12, codebook_size=8, quantizers=4, depth=1))
    names = {name for name in tokenizer.network.state_dict() if not name.endswith(AVERAGES)}
    tensors = {name: tokenizer.network.state_dict()[name] for name in sorted(names)}
    for name in ("model", "meta"):
        (folder / name).mkdir(parents=True)
    write_options(folder / "opt.txt", RVQ_OPTIONS)
    np.save(folder / "meta" / "mean.npy", np.zeros(263, np.float32))
    np.save(folder / "meta" / "std.npy", np.ones(263, np.float32))
    torch.save({key: tensors, "ep": 7}, folder / "model" / "net_best_fid.tar")
    return folder / "model" / "net_best_fid.tar"
