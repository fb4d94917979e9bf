"""Where to compute: the one choice, and its name for the record."""

import sys

import torch

from hero_core.choices import DeviceName
from hero_core.errors import ConfigError


def choose_device(name: DeviceName) -> torch.device:
    """``auto`` is CUDA where there is one.

    Raises:
        ConfigError: CUDA was asked for and is not there.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ConfigError(
            "--device cuda: this machine, or this build of torch, has no CUDA device; use --device cpu"
        )
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def device_name(device: torch.device) -> str:
    """Kind and name of a device."""
    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def memory_megabytes(device: torch.device) -> int | None:
    """The most memory that tensors took on a GPU so far; on a CPU, that the process took, None where no one counts."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 1e6)
    if sys.platform == "win32":
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / 1e6 if sys.platform == "darwin" else most / 1e3)
