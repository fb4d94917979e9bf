"""The fingerprint of the features that an encoder and the settings will make."""

import platform

import torch

from hero_core.fingerprint import EncoderFingerprint, FeatureFingerprint, NumericPath
from pipeline.config import ExtractConfig
from pipeline.decode import DECODE_RULE, decoder_versions
from pipeline.encoders import Encoder
from pipeline.sampling import SAMPLING_RULE
from pipeline.transforms import NORMALISATION_RULE, RESIZE_RULE


def feature_fingerprint(encoder: Encoder, config: ExtractConfig) -> FeatureFingerprint:
    """Everything that can change a feature's bytes, video aside."""
    return FeatureFingerprint(
        sampling=f"{encoder.frames} frames: {SAMPLING_RULE}",
        decoding=DECODE_RULE,
        resize=f"{encoder.image_size}x{encoder.image_size}: {RESIZE_RULE}",
        normalisation=NORMALISATION_RULE,
        storage_dtype=config.storage_dtype,
        encoder=EncoderFingerprint(
            name=encoder.name,
            statement=encoder.statement,
            weights_sha256=encoder.weights_sha256,
            image_size=encoder.image_size,
            frames=encoder.frames,
            feature_dim=encoder.feature_dim,
        ),
        numeric_path=numeric_path(encoder.device, encoder.dtype, config.batch_clips),
        decoder_versions=decoder_versions(),
    )


def numeric_path(device: torch.device, dtype: torch.dtype, batch_clips: int) -> NumericPath:
    """Where the arithmetic happens, as far as it decides rounding."""
    if device.type == "cuda":
        name = f"cuda: {torch.cuda.get_device_name(device)}"
        tf32 = torch.backends.cuda.matmul.allow_tf32
        attention = f"scaled_dot_product_attention, tf32 {'on' if tf32 else 'off'}"
    else:
        name = f"cpu: {platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
        attention = "scaled_dot_product_attention"
    return NumericPath(
        device=name,
        dtype=str(dtype).removeprefix("torch."),
        attention=attention,
        torch_version=torch.__version__,
        batch_clips=batch_clips,
    )
