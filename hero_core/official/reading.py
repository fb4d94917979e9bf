"""Reading the official release's files safely: tensors and arrays only, never pickled code."""

import pickle
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hero_core.errors import InputError, WeightsError

NAMES_SHOWN = 8
_DAMAGED_FILE_ERRORS = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    RuntimeError,
    EOFError,
    OSError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
)


def read_official(path: Path, key: str | tuple[str, ...]) -> dict[str, Tensor]:
    """The state dict that an official ``.tar`` or ``.pth`` file stores under ``key``.

    Args:
        path: a file written by ``torch.save``.
        key: the name of the state dict in the file, or several, of which the first one present is taken
            (the release renamed some of them over time).

    Returns:
        Name to tensor, on the CPU, each with memory of its own.

    Raises:
        WeightsError: the file is missing, damaged, holds pickled code, or has no tensors under ``key``.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGED_FILE_ERRORS as error:
        raise WeightsError(
            f"{path}: not a PyTorch weights file, damaged, or with pickled objects among its tensors, which are "
            f"never loaded; get the file again ({type(error).__name__})"
        ) from None
    names = (key,) if isinstance(key, str) else key
    wanted = " or ".join(names)
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: holds a {type(content).__name__}, expected a dict with {wanted}")
    state = next((content[name] for name in names if name in content), None)
    if state is None:
        raise WeightsError(f"{path}: no entry {wanted}; it holds {_shown(map(str, content))}")
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path}: the entry {wanted} is not a dict of tensors")
    return {str(name): _own_copy(value) for name, value in state.items()}


def require_exact(state: Mapping[str, Tensor], model_state: Mapping[str, Tensor], path: Path) -> None:
    """Refuse ``state``, read from ``path``, unless names and shapes are those of ``model_state``.

    Raises:
        WeightsError: listing the names that are missing, unexpected, or of another shape.
    """
    shared = state.keys() & model_state.keys()
    reshaped = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(model_state[name].shape)}"
        for name in sorted(shared)
        if state[name].shape != model_state[name].shape
    ]
    problems = [
        f"{len(names)} {what}: {_shown(names)}"
        for what, names in (
            ("missing", sorted(model_state.keys() - state.keys())),
            ("unexpected", sorted(state.keys() - model_state.keys())),
            ("of another shape", reshaped),
        )
        if names
    ]
    if problems:
        raise WeightsError(f"{path}: these weights do not fit the model: {'; '.join(problems)}")


def read_statistics(mean_path: Path, std_path: Path) -> tuple[Tensor, Tensor]:
    """The mean and standard deviation of every motion dimension, each ``(d,)`` float32.

    Raises:
        InputError: a file is missing or not a vector of finite numbers, the two differ in length, or a
            standard deviation is not positive.
    """
    mean, std = _read_vector(mean_path), _read_vector(std_path)
    if mean.shape != std.shape:
        raise InputError(f"{std_path}: {std.numel()} values, but {mean_path} holds {mean.numel()}")
    if not bool((std > 0).all()):
        raise InputError(f"{std_path}: every standard deviation must be positive")
    return mean, std


def _own_copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone(memory_format=torch.contiguous_format)


def _read_vector(path: Path) -> Tensor:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        values = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, SyntaxError) as error:
        raise InputError(f"{path}: not a readable .npy file: {error}") from None
    if not isinstance(values, np.ndarray) or values.ndim != 1 or not np.issubdtype(values.dtype, np.number):
        raise InputError(f"{path}: expected one vector of numbers")
    vector = torch.from_numpy(values.astype(np.float32))
    if not bool(torch.isfinite(vector).all()):
        raise InputError(f"{path}: holds values that are not finite")
    return vector


def _shown(names: Iterable[str]) -> str:
    listed = list(names)
    rest = len(listed) - NAMES_SHOWN
    more = f" and {rest} more" if rest > 0 else ""
    return ", ".join(listed[:NAMES_SHOWN]) + more if listed else "nothing"
