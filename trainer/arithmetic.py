"""How training computes: reproducibly on a CPU, and in the precision of its settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils import deterministic

from trainer.config import TrainingConfig


@contextmanager
def reproducible(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global generators, which initial weights and dropout use, and compute deterministically on CPU.

    The caller's generators and settings come back afterwards.
    """
    before = torch.are_deterministic_algorithms_enabled()
    memory: Any = deterministic  # its type stubs lack the setting
    filled = memory.fill_uninitialized_memory
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(before or device.type == "cpu")
        memory.fill_uninitialized_memory = False  # nothing here reads what it has not written
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)
            memory.fill_uninitialized_memory = filled


@contextmanager
def matrix_products(training: TrainingConfig) -> Iterator[None]:
    """On a GPU, float32 matrix products are in TF32 only where the settings say so."""
    before = torch.get_float32_matmul_precision()
    convolutions = torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if training.precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = training.precision == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
        torch.backends.cudnn.allow_tf32 = convolutions
