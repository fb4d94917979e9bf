"""What made a feature: its identity, which must agree, and its provenance, which is recorded.

Identity decides whether two features may stand in one cache: what goes in, which network with which weights, in
which arithmetic and batch shape, and how the result is stored. Provenance can change the last bits only (TC-CLIP
selects tokens by rank, so for some clips the last bits can matter): it is kept for every shard and warned about.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hero_core.config import Config
from hero_core.storage import sha256_of_json


class EncoderIdentity(Config):
    """Which frozen encoder: its name, the sizes of its network, and the content of its weights."""

    name: str
    architecture: dict[str, int | float]
    weights_sha256: str


class FeatureIdentity(Config):
    """How features were made, as far as it decides their values.

    Attributes:
        sampling, decoding, resize, normalisation: the rules by which frames become the encoder's input, in words.
        encoder: the network.
        dtype: of the encoder's arithmetic.
        storage_dtype: of the features in the shards.
        batch_clips: clips in one call of the encoder, blank ones included.
    """

    sampling: str
    decoding: str
    resize: str
    normalisation: str
    encoder: EncoderIdentity
    dtype: str
    storage_dtype: str
    batch_clips: int

    @property
    def id(self) -> str:
        """Short name of this way of making features."""
        return sha256_of_json(self.model_dump(mode="json"))[:16]


class FeatureProvenance(Config):
    """Where and with what features were made.

    Attributes:
        statement: one sentence on what the features are, and whose terms they carry.
        weights_file: name of the encoder's weights file; None where the weights ship with the project.
        device: its kind and name.
        libraries: versions of what is between the file and the feature.
    """

    statement: str
    weights_file: str | None
    device: str
    libraries: dict[str, str]


def differences(mine: Config, other: Config) -> list[str]:
    """Dotted names of the values in which two of a kind differ, with both values: ``name: mine != other``."""
    first, second = (_flatten(config.model_dump(mode="json")) for config in (mine, other))
    return [
        f"{name}: {first.get(name)} != {second.get(name)}"
        for name in sorted(first.keys() | second.keys())
        if first.get(name) != second.get(name)
    ]


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def sha256_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Hex sha256 of the content of named tensors, whatever file they come from and in whatever order."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
