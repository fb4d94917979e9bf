"""What made a feature: everything that can change its numbers.

TC-CLIP selects and merges tokens by rank, so a rounding difference can change a clip's features visibly.
Features are therefore tied to one numeric path: device, dtype, kernels and library versions are part of it.
"""

from hero_core.config import Config
from hero_core.files import sha256_of_json


class NumericPath(Config):
    """Where and how the encoder computed."""

    device: str
    dtype: str
    attention: str
    torch_version: str
    batch_clips: int


class EncoderFingerprint(Config):
    """Which encoder, with which weights."""

    name: str
    statement: str
    weights_sha256: str
    image_size: int
    frames: int
    feature_dim: int


class FeatureFingerprint(Config):
    """How a cache of features was made. One cache has one."""

    sampling: str
    decoding: str
    resize: str
    normalisation: str
    storage_dtype: str
    encoder: EncoderFingerprint
    numeric_path: NumericPath
    decoder_versions: dict[str, str]

    @property
    def id(self) -> str:
        """Short name of this way of making features."""
        return sha256_of_json(self.model_dump(mode="json"))[:16]

    def differences(self, other: "FeatureFingerprint") -> list[str]:
        """Dotted names of the settings in which two fingerprints differ, with both values."""
        mine, theirs = _flatten(self.model_dump(mode="json")), _flatten(other.model_dump(mode="json"))
        return [
            f"{name}: {mine.get(name)} != {theirs.get(name)}"
            for name in sorted(mine.keys() | theirs.keys())
            if mine.get(name) != theirs.get(name)
        ]


def _flatten(values: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
