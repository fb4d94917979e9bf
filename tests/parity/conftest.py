"""What every parity test needs: its folder's description and arrays. Sets of fixtures differ in names and sizes."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor


@dataclass(frozen=True)
class ParityFolder:
    """One folder of numbers; ``facts`` is its JSON, which names every other file."""

    root: Path
    path: Path
    facts: dict[str, Any]

    def file(self, field: str) -> Path:
        """The file that a field of the JSON names; skips where this set of fixtures has none."""
        if field not in self.facts or not (path := self.root / self.facts[field]).is_file():
            pytest.skip(f"{self.path}: no {field} in this set of fixtures")
        return path

    def arrays(self, name: str) -> dict[str, Tensor]:
        """Arrays of numbers in ``name.npz``."""
        with np.load(self.path / f"{name}.npz", allow_pickle=False) as arrays:
            numbers = {key: array for key in arrays.files if (array := arrays[key]).dtype.kind != "U"}
            return {key: torch.from_numpy(np.asarray(array)) for key, array in numbers.items()}

    def word(self, name: str, key: str) -> str:
        """What ``name.npz`` says under ``key``."""
        with np.load(self.path / f"{name}.npz", allow_pickle=False) as arrays:
            return str(arrays[key])


@pytest.fixture(scope="session")
def open_folder(parity_dir: Path) -> Callable[[str], Any]:
    """From a folder's name, the :class:`ParityFolder`; skips where this set of fixtures has none."""

    def open_folder(name: str) -> ParityFolder:
        (description,) = sorted((parity_dir / name).glob("*.json")) or [None]
        if description is None:
            pytest.skip(f"{parity_dir / name}: not in this set of fixtures")
        return ParityFolder(parity_dir, parity_dir / name, json.loads(description.read_text()))

    return open_folder
