"""The encoder that a run was trained with, used as it was when it made the training features.

TC-CLIP picks and merges tokens by rank, so rounding can change a clip's features visibly: arithmetic, batch size and
storage type are part of what a run was trained on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import torch

from hero_core.config import parse_config
from hero_core.device import choose_device
from hero_core.errors import FingerprintError, WeightsError
from hero_core.fingerprint import FeatureIdentity, FeatureProvenance, differences
from hero_core.records import FeatureRecord
from pipeline.choices import EncoderName
from pipeline.decode.video import DecodedClip, decode_clip, decode_rule
from pipeline.encoders import Encoder, load_encoder
from pipeline.fingerprint import feature_identity, feature_provenance

_IMPORTED = (
    "imported weights do not say which encoder they were trained with; the official release used "
    "zero_shot_k400_tc_clip_newkeys.pth"
)
_ANEW = "this program makes other features than the one that trained the run: extract and train anew"


@dataclass(frozen=True)
class RunEncoder:
    """An encoder and how it is used.

    Attributes:
        identity: of the features it makes.
        warnings: in what they may differ from the training features, one line each.
    """

    encoder: Encoder
    identity: FeatureIdentity
    warnings: tuple[str, ...]

    @property
    def is_rotated(self) -> bool:
        """Whether frames are turned as a video's rotation metadata says."""
        return _is_rotated(self.identity)

    def encode(self, video: Path) -> tuple[DecodedClip, FeatureRecord]:
        """The sampled frames of a video and their features, exactly as extraction makes them.

        Raises:
            DecodeError: the video cannot be read.
        """
        encoder, identity = self.encoder, self.identity
        clip = decode_clip(video, size=encoder.image_size, samples=encoder.frames, rotate=self.is_rotated)
        clips = np.zeros((identity.batch_clips, *clip.frames.shape), np.uint8)  # (b, t, h, w, 3), blank
        clips[0] = clip.frames
        frames = encoder.encode(clips)[0]  # (t, d)
        return clip, FeatureRecord.of(frames, clip.timestamps_seconds, identity.storage_dtype)


def load_run_encoder(
    data: Mapping[str, Any], weights: Path | None = None, device: torch.device | None = None
) -> RunEncoder:
    """The encoder of a run.

    Args:
        data: what the run notes of its training data; empty for imported weights.
        weights: the encoder's file, where it is TC-CLIP.
        device: where to compute; by default where the training features were made, if there is such a device.

    Raises:
        WeightsError: the encoder's weights are missing, not wanted, or do not fit.
        FingerprintError: its features would not be those that the run was trained on.
    """
    made = [
        parse_config(FeatureProvenance, values, "the run's training features")
        for values in data.get("provenance") or ()
    ]
    device = device or _device_of(made)
    if data.get("features") is None:
        encoder = _load("tc-clip", _IMPORTED, weights, device)
        identity = feature_identity(encoder, "float32", batch_clips=1, rotate=False)
        return RunEncoder(encoder, identity, (_IMPORTED,))
    identity = parse_config(FeatureIdentity, data["features"], "the run's training features")
    statement = str(data.get("encoder_statement"))
    encoder = _load(identity.encoder.name, statement, weights, device, getattr(torch, identity.dtype))
    _require_same(identity, encoder, statement)
    mine = feature_provenance(encoder)
    lines = dict.fromkeys(line for earlier in made for line in differences(earlier, mine))
    warnings = tuple(f"the training features were made with another {line}" for line in lines)
    return RunEncoder(encoder, identity, warnings)


def _is_rotated(identity: FeatureIdentity) -> bool:
    return identity.decoding == decode_rule(rotate=True)


def _require_same(recorded: FeatureIdentity, encoder: Encoder, statement: str) -> None:
    mine = feature_identity(encoder, recorded.storage_dtype, recorded.batch_clips, _is_rotated(recorded))
    wrong = differences(recorded, mine)
    if not wrong:
        return
    other_weights = encoder.weights_file and all(line.startswith("encoder.") for line in wrong)
    remedy = f"name the weights that made them with --weights ({statement})" if other_weights else _ANEW
    raise FingerprintError(
        f"the run was trained on other features ({'; '.join(wrong)}; the run's != these); {remedy}"
    )


def _load(
    name: str,
    statement: str,
    weights: Path | None,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Encoder:
    if name not in get_args(EncoderName):
        raise FingerprintError(
            f"the run was trained on features of {name!r}, an encoder unknown here; {_ANEW}"
        )
    if name == "tc-clip" and weights is None:
        raise WeightsError(f"this run needs TC-CLIP's weights: --weights FILE ({statement})")
    if name != "tc-clip" and weights is not None:
        raise WeightsError(
            f"{weights}: this run was trained on features of {name}, which takes no weights; leave --weights out"
        )
    return load_encoder(cast(EncoderName, name), weights, device, dtype)


def _device_of(made: Sequence[FeatureProvenance]) -> torch.device:
    """CUDA where there is one, unless all the training features were made on a CPU."""
    on_cpu = bool(made) and all(one.device.startswith("cpu") for one in made)
    return choose_device("cpu" if on_cpu else "auto")
