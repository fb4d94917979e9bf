"""Runs a function in two processes that talk to each other, as those that torchrun starts do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from hero_core.models.ranks import Ranks

WORLD = 2


def together(function: Callable[..., None], folder: Path, *arguments: Any) -> None:
    """Call ``function(ranks, *arguments)`` of a module in each; what it raises in one is raised here."""
    folder.mkdir(parents=True, exist_ok=True)
    mp.spawn(_enter, (f"file://{folder / 'store'}", function, arguments), WORLD)


def _enter(rank: int, meeting: str, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=WORLD)
    function(Ranks(dist.group.WORLD), *arguments)
    dist.destroy_process_group()
