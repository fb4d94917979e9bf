"""The identity and the provenance of the features that an encoder and the settings will make."""

import platform

import cv2
import torch

from hero_core.device import device_name
from hero_core.fingerprint import FeatureIdentity, FeatureProvenance
from hero_core.models.tc_clip.tower import ARITHMETIC
from pipeline.decode.sampling import SAMPLING_RULE
from pipeline.decode.transforms import NORMALISATION_RULE, RESIZE_RULE
from pipeline.decode.video import decode_rule, decoder_versions
from pipeline.encoders import Encoder


def feature_identity(encoder: Encoder, storage_dtype: str, batch_clips: int, rotate: bool) -> FeatureIdentity:
    """All that decides the values of features, the video aside."""
    return FeatureIdentity(
        sampling=f"{encoder.frames} frames: {SAMPLING_RULE}",
        decoding=decode_rule(rotate),
        resize=f"{encoder.image_size}x{encoder.image_size}: {RESIZE_RULE}",
        normalisation=NORMALISATION_RULE,
        encoder=encoder.identity,
        dtype=str(encoder.dtype).removeprefix("torch."),
        storage_dtype=storage_dtype,
        batch_clips=batch_clips,
    )


def feature_provenance(encoder: Encoder) -> FeatureProvenance:
    """Where and with what the encoder computes, as far as it can decide the last bits."""
    libraries = {
        "torch": torch.__version__,
        "opencv": cv2.__version__,
        **decoder_versions(),
        "arithmetic of the tower": ARITHMETIC,
    }
    if encoder.device.type == "cuda":
        tf32 = "on" if torch.backends.cuda.matmul.allow_tf32 else "off"
        device = f"{device_name(encoder.device)}, tf32 {tf32}"
    else:
        device = f"cpu: {platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    return FeatureProvenance(
        statement=encoder.statement, weights_file=encoder.weights_file, device=device, libraries=libraries
    )
