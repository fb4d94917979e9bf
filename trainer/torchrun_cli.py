"""What torchrun tells the processes that it starts."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from hero_core.cli import console, error_console
from hero_core.errors import ConfigError
from hero_core.models.ranks import ALONE, Ranks

PATIENCE = timedelta(days=1)
"""So long the others wait while the first rank makes codes or validates; one that dies ends all of them at once."""


@contextmanager
def launched(device: torch.device) -> Iterator[tuple[Ranks, torch.device]]:
    """The processes that torchrun started, and where this one computes; without it, a process alone, on ``device``.

    On a GPU each has one of its own, and the first process speaks for all.

    Raises:
        ConfigError: there are more of them than GPUs.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield ALONE, device
        return
    console.quiet = error_console.quiet = os.environ["RANK"] != "0"
    if device.type == "cuda":
        device = _own_gpu()
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    yield Ranks(dist.group.WORLD), device
    dist.destroy_process_group()


def _own_gpu() -> torch.device:
    processes, gpus = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
    if processes > gpus:
        raise ConfigError(
            f"torchrun started {processes} processes here, but there are {gpus} GPUs: --nproc-per-node {gpus}"
        )
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(device)
    return device
