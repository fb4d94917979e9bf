"""The encoder that a run was trained with, set up as it was when it made the training features.

TC-CLIP picks and merges tokens by rank, so rounding can change a clip's features visibly: device, arithmetic and
batch size are part of what a run was trained on.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import torch

from hero_core.checkpoints import DESCRIPTION_FILE
from hero_core.config import parse_config
from hero_core.errors import FingerprintError, WeightsError
from hero_core.files import read_json
from hero_core.fingerprint import FeatureFingerprint
from hero_core.models.features import VideoFeatures
from pipeline.config import ExtractConfig, StorageDtype
from pipeline.decode import DecodedClip, decode_clip
from pipeline.encoders import Encoder, EncoderName, load_encoder
from pipeline.fingerprint import feature_fingerprint

_MUST_AGREE = ("encoder.", "sampling", "resize", "normalisation")


@dataclass(frozen=True)
class RunEncoder:
    """An encoder and how it was used.

    Attributes:
        made_by: how the run's training features were made; None for imported weights, which do not say.
        warnings: in what this machine differs from that, one line each.
    """

    encoder: Encoder
    made_by: FeatureFingerprint | None
    warnings: tuple[str, ...]

    def decode(self, video: Path) -> DecodedClip:
        """The frames of a video that the encoder wants.

        Raises:
            DecodeError: the video cannot be read.
        """
        return decode_clip(video, size=self.encoder.image_size, samples=self.encoder.frames)

    def encode(self, clip: DecodedClip) -> VideoFeatures:
        """Features of one clip, in a batch of the size that extraction used and through its storage type."""
        slots = self.made_by.numeric_path.batch_clips if self.made_by else 1
        clips = np.zeros((slots, *clip.frames.shape), np.uint8)
        clips[0] = clip.frames
        frames = self.encoder.encode(clips).frames[:1]  # (1, t, d)
        stored = getattr(torch, self.made_by.storage_dtype) if self.made_by else torch.float32
        return VideoFeatures(frames.to(stored).float(), frames.mean(dim=1).to(stored).float())


def load_run_encoder(
    run: Path, weights: Path | None = None, device: torch.device | None = None
) -> RunEncoder:
    """The encoder of ``run``.

    Args:
        run: run folder of ``hero-train``.
        weights: the encoder's file, where it is TC-CLIP.
        device: where to compute; by default where the training features were made, if there is such a device.

    Raises:
        WeightsError: the run or the weights are missing, or do not fit.
        FingerprintError: it is not the encoder that the run was trained with.
    """
    made_by = _training_features(run)
    encoder = _load_encoder(made_by, weights, device or _device_of(made_by))
    return RunEncoder(encoder, made_by, compare(made_by, encoder))


def compare(made_by: FeatureFingerprint | None, encoder: Encoder) -> tuple[str, ...]:
    """Warnings about how features of ``encoder`` differ from those that a run was trained on.

    Raises:
        FingerprintError: it is another encoder, other weights, or other pictures go in.
    """
    if made_by is None:
        return (
            "imported weights do not say which encoder they were trained with; the official release used "
            "zero_shot_k400_tc_clip_newkeys.pth",
        )
    used_alike = ExtractConfig(
        storage_dtype=cast(StorageDtype, made_by.storage_dtype), batch_clips=made_by.numeric_path.batch_clips
    )
    lines = made_by.differences(feature_fingerprint(encoder, used_alike))
    differences = [line for line in lines if not line.startswith("encoder.statement")]  # it may name a file
    wrong = [line for line in differences if line.startswith(_MUST_AGREE)]
    if wrong:
        raise FingerprintError(
            f"the run was trained on features of another encoder ({'; '.join(wrong)}; the run's != this one's); "
            f"bring the weights that made them (--weights): {made_by.encoder.statement}"
        )
    return tuple(f"encoded not quite as the training features: {line}" for line in differences)


def training_data(run: Path) -> dict[str, Any]:
    """What the run's checkpoint notes about its training data; empty for imported weights.

    Raises:
        WeightsError: there is no masked transformer in the run.
    """
    path = run / "masked" / "best" / DESCRIPTION_FILE
    if not path.is_file():
        raise WeightsError(f"{run}: not a run of hero-train, {path.relative_to(run)} is missing")
    return dict(read_json(path)["metadata"].get("data") or {})


def _training_features(run: Path) -> FeatureFingerprint | None:
    recorded = training_data(run).get("features")
    return (
        None if recorded is None else parse_config(FeatureFingerprint, recorded, f"{run}: training features")
    )


def _device_of(made_by: FeatureFingerprint | None) -> torch.device:
    on_cpu = made_by is not None and made_by.numeric_path.device.startswith("cpu")
    return torch.device("cpu" if on_cpu or not torch.cuda.is_available() else "cuda")


def _load_encoder(made_by: FeatureFingerprint | None, weights: Path | None, device: torch.device) -> Encoder:
    if made_by is None:
        return load_encoder("tc-clip", weights, device)
    if made_by.encoder.name not in get_args(EncoderName):
        raise FingerprintError(
            f"the run was trained on features of {made_by.encoder.name!r}, unknown to this program"
        )
    name = cast(EncoderName, made_by.encoder.name)
    return load_encoder(name, weights, device, getattr(torch, made_by.numeric_path.dtype))
