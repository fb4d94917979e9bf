"""Checkpoints: a folder with ``model.safetensors`` and ``checkpoint.json``. No pickle anywhere."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hero_core.config import Config
from hero_core.errors import WeightsError
from hero_core.files import read_json, write_json

SCHEMA = "hero-checkpoint/1"
TENSORS_FILE = "model.safetensors"
DESCRIPTION_FILE = "checkpoint.json"


@dataclass(frozen=True)
class Checkpoint:
    """A model on disk: what it is, how it was configured, its tensors, and what its maker noted."""

    kind: str
    config: dict[str, Any]
    tensors: dict[str, Tensor]
    metadata: dict[str, Any]


def save_checkpoint(
    folder: Path, kind: str, config: Config, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]
) -> None:
    """Write a checkpoint folder; it replaces an older one of the same name only when complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, fresh / TENSORS_FILE)
    write_json(
        fresh / DESCRIPTION_FILE,
        {
            "schema": SCHEMA,
            "kind": kind,
            "config": config.model_dump(mode="json"),
            "metadata": dict(metadata),
            "versions": library_versions(),
        },
    )
    replace_folder(fresh, folder)


def replace_folder(fresh: Path, folder: Path) -> None:
    """Put ``fresh`` in the place of ``folder``; after a kill either the old or the new can be read back."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """Undo a kill inside :func:`replace_folder`: bring the old folder back if no new one is there."""
    old = folder.with_name(f".{folder.name}.old")
    if old.exists() and not folder.exists():
        old.rename(folder)


def load_checkpoint(folder: Path, kind: str) -> Checkpoint:
    """Read a checkpoint folder of the given kind.

    Raises:
        WeightsError: no checkpoint there, of another kind or version, or damaged.
    """
    recover_folder(folder)
    if not (folder / DESCRIPTION_FILE).is_file() or not (folder / TENSORS_FILE).is_file():
        raise WeightsError(f"{folder}: no checkpoint here ({DESCRIPTION_FILE} and {TENSORS_FILE} make one)")
    description = read_json(folder / DESCRIPTION_FILE)
    if description.get("schema") != SCHEMA:
        raise WeightsError(
            f"{folder}: checkpoint of version {description.get('schema')!r}, expected {SCHEMA!r}"
        )
    if description.get("kind") != kind:
        raise WeightsError(f"{folder}: holds a {description.get('kind')!r} model, expected {kind!r}")
    try:
        tensors = load_file(folder / TENSORS_FILE)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{folder / TENSORS_FILE}: damaged or not safetensors: {error}") from None
    return Checkpoint(kind, description["config"], tensors, description["metadata"])


def load_state(module: torch.nn.Module, tensors: Mapping[str, Tensor], origin: Path) -> None:
    """Load tensors into a module, strictly.

    Raises:
        WeightsError: listing every missing, unexpected or wrongly shaped name.
    """
    expected = module.state_dict()
    problems = [f"missing {name}" for name in expected.keys() - tensors.keys()]
    problems += [f"unexpected {name}" for name in tensors.keys() - expected.keys()]
    problems += [
        f"{name} is {tuple(tensors[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in expected.keys() & tensors.keys()
        if tensors[name].shape != expected[name].shape
    ]
    if problems:
        raise WeightsError(f"{origin}: does not fit the model: {'; '.join(sorted(problems))}")
    module.load_state_dict(dict(tensors))


def library_versions() -> dict[str, str]:
    """Versions of what decides the numbers."""
    names = ("hero-motion", "torch", "numpy", "scipy", "av", "opencv-python-headless", "safetensors")
    return {name: _version(name) for name in names}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
