"""Checkpoints: one safetensors file, whose header also says what it is and where it comes from. No pickle anywhere."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeVar

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hero_core.config import parse_config
from hero_core.errors import WeightsError
from hero_core.seal import SEAL_KEY, UNSEALED, seal_of, sealed
from hero_core.storage import write_bytes
from hero_core.versions import library_versions

SCHEMA = "hero-checkpoint/2"
SUFFIX = ".safetensors"
NAMES_SHOWN = 8
_HEADER = "hero"


class Network(Protocol):
    """What can be kept in a checkpoint: an ``nn.Module`` that its settings rebuild.

    Attributes:
        kind: name of what it is, e.g. ``rvq``; another kind is never loaded in its place.
        settings: class of its settings.
        config: its own.
    """

    kind: ClassVar[str]
    settings: ClassVar[type[Any]]
    config: Any

    def __init__(self, config: Any) -> None: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any: ...

    def eval(self) -> Self: ...


NetworkT = TypeVar("NetworkT", bound=Network)


@dataclass(frozen=True)
class Origin:
    """Where weights come from: the file, its content, and what its maker noted."""

    path: Path
    sha256: str
    metadata: Mapping[str, Any]


class Snapshot(NamedTuple):
    """Tensors as they were at one moment, on the CPU, and a JSON header."""

    tensors: Mapping[str, Tensor]
    header: str

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> Self:
        """Copies of the tensors, which may change from now on."""
        copies = {name: tensor.detach().contiguous().to("cpu", copy=True) for name, tensor in tensors.items()}
        return cls(copies, json.dumps(header, sort_keys=True, allow_nan=False))

    def to_bytes(self) -> bytes:
        """A safetensors file with a seal in its header; equal contents give equal bytes."""
        header = json.dumps({**json.loads(self.header), SEAL_KEY: UNSEALED}, sort_keys=True)
        return sealed(safetensors.torch.save(dict(self.tensors), metadata={_HEADER: header}))


def save_network(path: Path, network: Network, metadata: Mapping[str, Any]) -> None:
    """Write a checkpoint; it replaces an older one only when it is complete and on disk."""
    write_bytes(path, checkpoint_of(network, metadata).to_bytes())


def checkpoint_of(network: Network, metadata: Mapping[str, Any]) -> Snapshot:
    """What a checkpoint of a network as it is now holds."""
    header = {
        "schema": SCHEMA,
        "kind": network.kind,
        "config": network.config.model_dump(mode="json"),
        "metadata": dict(metadata),
        "versions": library_versions(),
    }
    return Snapshot.of(network.state_dict(), header)


def load_network(path: Path, cls: type[NetworkT]) -> tuple[NetworkT, Origin]:
    """Read a checkpoint of the given class, once; the network is in evaluation mode, on the CPU.

    Raises:
        WeightsError: no checkpoint there, of another kind or version, damaged, or its tensors do not fit.
        ConfigError: its settings are not this version's.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no checkpoint here")
    data = path.read_bytes()
    header, tensors = unpack(data, path)
    _check_header(header, path, cls.kind)
    settings = parse_config(cls.settings, header["config"], str(path))
    # Shapes first, without memory: settings that the tensors do not fit may ask for any amount of it.
    with torch.device("meta"):
        require_state(cls(settings).state_dict(), tensors, path)
    network = cls(settings)
    network.load_state_dict(tensors)
    return network.eval(), Origin(path, hashlib.sha256(data).hexdigest(), header["metadata"])


def unpack(data: bytes, path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The inverse of :meth:`Snapshot.to_bytes`; ``path`` is named in errors.

    Raises:
        WeightsError: not such bytes, or damaged.
    """
    if seal_of(data) == "broken":
        raise WeightsError(
            f"{path}: damaged, its bytes are not those that were written; restore it from a copy"
        )
    try:
        tensors = safetensors.torch.load(data)
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])["__metadata__"][_HEADER]
        values = _json_object(header)
        values.pop(SEAL_KEY, None)
        return values, tensors
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: damaged, or not a file of this program: {error}") from None


def read_header(path: Path) -> dict[str, Any]:
    """The JSON header of a file made of :meth:`Snapshot.to_bytes`; no tensor is read.

    Raises:
        WeightsError: the file is damaged, or not such a file.
    """
    try:
        with safe_open(path, "pt") as file:
            return _json_object((file.metadata() or {})[_HEADER])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: damaged, or not a file of this program: {error}") from None


def _json_object(text: str) -> dict[str, Any]:
    values = json.loads(text)
    if not isinstance(values, dict):
        raise TypeError(f"its header is {type(values).__name__}, not an object")
    return values


def _check_header(header: Mapping[str, Any], path: Path, kind: str) -> None:
    if header.get("schema") != SCHEMA:
        raise WeightsError(f"{path}: checkpoint of version {header.get('schema')!r}, expected {SCHEMA!r}")
    if header.get("kind") != kind:
        raise WeightsError(f"{path}: holds a {header.get('kind')!r} model, expected {kind!r}")
    if absent := [name for name in ("config", "metadata") if not isinstance(header.get(name), Mapping)]:
        raise WeightsError(f"{path}: damaged: its header has no {' and no '.join(absent)}")


def require_state(expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor], origin: Path | str) -> None:
    """Refuse tensors whose names and shapes are not exactly those expected.

    Raises:
        WeightsError: listing the names that are missing, unexpected, or of another shape; ``origin`` is named.
    """
    reshaped = [
        f"{name} {tuple(tensors[name].shape)} instead of {tuple(expected[name].shape)}"
        for name in sorted(expected.keys() & tensors.keys())
        if tensors[name].shape != expected[name].shape
    ]
    problems = [
        f"{len(names)} {what}: {shorten(names)}"
        for what, names in (
            ("missing", sorted(expected.keys() - tensors.keys())),
            ("unexpected", sorted(tensors.keys() - expected.keys())),
            ("of another shape", reshaped),
        )
        if names
    ]
    if problems:
        raise WeightsError(f"{origin}: these weights do not fit the model: {'; '.join(problems)}")


def shorten(names: list[str]) -> str:
    """The first few names of a list, and how many more there are."""
    rest = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "") if names else "nothing"
