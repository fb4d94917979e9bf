"""Weights files of others, read safely: tensors and plain values only, never pickled objects."""

import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from hero_core.errors import WeightsError

_DAMAGED = (
    UnpicklingError,
    zipfile.BadZipFile,
    RuntimeError,
    EOFError,
    OSError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
)


def load_weights_file(path: Path, lazy: bool = False) -> Any:
    """What a safetensors file, a file of ``torch.save``, or a TorchScript archive (OpenAI's CLIP) holds, on the CPU.

    Args:
        path: the file.
        lazy: leave the tensors of a ``torch.save`` file on disk until they are used.

    Returns:
        The saved object; for the other two layouts a dictionary of tensors.

    Raises:
        WeightsError: the file is missing or damaged, or holds pickled objects beside its tensors.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise WeightsError(f"{path}: not a readable safetensors file: {error}") from None
    if not zipfile.is_zipfile(path):
        raise WeightsError(
            f"{path}: not a PyTorch weights file, or damaged (they are zip archives since PyTorch 1.6); "
            "copy or download it again"
        )
    try:
        if _is_torchscript(path):
            # Reads code and tensors; no method of the archive is called.
            return torch.jit.load(path, map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
        if unsafe := torch.serialization.get_unsafe_globals_in_checkpoint(path):
            raise WeightsError(
                f"{path}: holds pickled objects ({', '.join(unsafe)}) among its tensors, which could run code, so it "
                "was not loaded. If you trust its source, open it once with torch.load(weights_only=False) and save "
                "its tensors alone"
            )
        return torch.load(path, map_location="cpu", weights_only=True, mmap=lazy)
    except _DAMAGED as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(f"{path}: damaged weights file: {reason}") from None


def _is_torchscript(path: Path) -> bool:
    """OpenAI publishes CLIP as TorchScript: a zip that holds code and its constants beside the tensors."""
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())
