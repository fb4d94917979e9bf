"""Settings of the pipeline's commands."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field

from hero_core.config import Config
from hero_core.shards import ShardFormat
from pipeline.decode_checks import DecodeLimits
from pipeline.splits import SplitConfig

DeviceName = Literal["auto", "cpu", "cuda"]
Dtype = Literal["float32", "bfloat16", "float16"]
StorageDtype = Literal["float32", "float16"]


def default_workers() -> int:
    """One decoding process a core: single-thread decoders side by side give the most clips a second."""
    if hasattr(os, "sched_getaffinity"):  # what this process may use; not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ExtractConfig(Config):
    """How an encoder turns videos into feature shards.

    Attributes:
        storage_dtype: of the features in the shards.
        batch_clips: clips an encoder call. Always this many, blank ones included, so that shapes never change.
        workers: decoding processes.
    """

    storage_dtype: StorageDtype = "float32"
    shard_format: ShardFormat = "tar"
    clips_per_shard: int = Field(default=64, ge=1)
    batch_clips: int = Field(default=1, ge=1)
    workers: int = Field(default_factory=default_workers, ge=1)
    limits: DecodeLimits = Field(default_factory=DecodeLimits)
    retry_quarantined: bool = False


class PairsConfig(Config):
    """How to pair features with motions and split them."""

    split: SplitConfig = Field(default_factory=SplitConfig)
    motion_fps: float | None = Field(default=None, gt=0)
    body_model: Path | None = None
    shard_format: ShardFormat = "tar"
    pairs_per_shard: int = Field(default=256, ge=1)
