"""Reading a run folder: ``RUN/{rvq,masked,residual,evaluator}/{best,last}``, each a checkpoint folder."""

import hashlib
from pathlib import Path
from typing import Literal, TypeAlias

import torch

from hero_core.checkpoints import DESCRIPTION_FILE
from hero_core.errors import FingerprintError
from hero_core.files import read_json
from hero_core.models.codec import MotionCodec
from hero_core.models.evaluator import MotionEvaluator
from hero_core.models.hero import Hero
from hero_core.models.masked import MaskedTransformer
from hero_core.models.residual import ResidualTransformer
from hero_core.models.sampling import SamplingConfig

Which: TypeAlias = Literal["best", "last"]
CODEC_KEY = "codec_sha256"
"""Metadata of a masked or residual checkpoint: :func:`codec_fingerprint` of the tokenizer it was trained with."""


def codec_fingerprint(codec: MotionCodec) -> str:
    """Hex sha256 of a tokenizer's tensors: with another one, the same token ids mean another motion."""
    digest = hashlib.sha256()
    for name, tensor in sorted(codec.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def load_codec(run: Path) -> MotionCodec:
    """The run's tokenizer, in evaluation mode.

    Raises:
        WeightsError: none there, or damaged.
    """
    return MotionCodec.load(run / "rvq" / "best").eval()


def load_hero(run: Path, which: Which = "best", sampling: SamplingConfig | None = None) -> Hero:
    """The run's generator, in evaluation mode.

    Args:
        run: the run folder.
        which: the transformers' checkpoint; the tokenizer is always the best one, which they were trained with.
        sampling: how to generate; the paper's way by default.

    Raises:
        WeightsError: a part is missing or damaged.
        FingerprintError: a transformer was trained with another tokenizer.
        ConfigError: the parts do not fit together.
    """
    codec = load_codec(run)
    masked_folder, residual_folder = run / "masked" / which, run / "residual" / which
    masked = MaskedTransformer.load(masked_folder)
    residual = ResidualTransformer.load(residual_folder)
    for folder in (masked_folder, residual_folder):
        _check_codec(folder, codec_fingerprint(codec), run)
    return Hero(codec, masked, residual, sampling).eval()


def load_evaluator(run: Path) -> MotionEvaluator:
    """The run's evaluator, in evaluation mode.

    Raises:
        WeightsError: none there, or damaged.
    """
    return MotionEvaluator.load(run / "evaluator" / "best").eval()


def _check_codec(folder: Path, expected: str, run: Path) -> None:
    recorded = read_json(folder / DESCRIPTION_FILE)["metadata"].get(CODEC_KEY)
    if recorded is None:
        raise FingerprintError(
            f"{folder}: its metadata does not say which tokenizer it was trained with ({CODEC_KEY})"
        )
    if recorded != expected:
        raise FingerprintError(
            f"{folder}: trained with tokenizer {recorded[:12]}, but {run / 'rvq' / 'best'} is {expected[:12]}; "
            "its tokens mean other motions. Train this stage again, or bring back the tokenizer it was trained with"
        )
