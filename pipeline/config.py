"""Settings of the pipeline's commands."""

import os

from pydantic import Field

from hero_core.choices import ShardFormat
from hero_core.config import Config
from pipeline.choices import WORKER_MEBIBYTES, StatisticsChoice, StorageDtype
from pipeline.decode.checks import DecodeLimits
from pipeline.motions import MotionConversion
from pipeline.splits import SplitConfig


def default_workers() -> int:
    """One process for every core: single-thread decoders side by side give the most clips per second."""
    if hasattr(os, "sched_getaffinity"):  # what this process may use; not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ExtractConfig(Config):
    """How inputs become the records of a cache.

    Attributes:
        storage_dtype: of the features in the shards.
        batch_clips: clips in one call of the encoder. Always this many, blank ones included, so that shapes never
            change.
        rotate: turn frames as a video's rotation metadata says; the official release does not.
        conversion: how motion files are read.
        workers: processes that decode videos and convert motions; never this one, so that a file which crashes or
            hangs costs its row only.
        limits: what one video may cost, as its decoder sees it. A process that works on one file for over
            `kill_seconds` is killed, over a small one earlier (:meth:`DecodeLimits.kill_seconds`).
        worker_mebibytes: memory that one file may take.
        retry_quarantined: try again what an earlier run put in quarantine.
        rehash: compare contents even where size and time of a file are those of an earlier run.
    """

    storage_dtype: StorageDtype = "float32"
    shard_format: ShardFormat = "tar"
    clips_per_shard: int = Field(default=64, ge=1)
    motions_per_shard: int = Field(default=256, ge=1)
    batch_clips: int = Field(default=1, ge=1)
    rotate: bool = False
    conversion: MotionConversion = Field(default_factory=MotionConversion)
    workers: int = Field(default_factory=default_workers, ge=1)
    limits: DecodeLimits = Field(default_factory=DecodeLimits)
    worker_mebibytes: int = Field(default=WORKER_MEBIBYTES, ge=1)
    retry_quarantined: bool = False
    rehash: bool = False

    @property
    def kill_seconds(self) -> float:
        """Over the largest file."""
        return self.limits.kill_seconds(self.limits.max_bytes)


class PairsConfig(Config):
    """How cached features and motions become a training set.

    Attributes:
        statistics: ``shipped`` takes ``Mean.npy`` and ``Std.npy`` of a data set that ships them, as the official
            release does; ``computed``, and without such files also ``shipped``, those of the training motions.
        overwrite: replace a training set that was made with other settings.
    """

    split: SplitConfig = Field(default_factory=SplitConfig)
    shard_format: ShardFormat = "tar"
    pairs_per_shard: int = Field(default=256, ge=1)
    statistics: StatisticsChoice = "shipped"
    overwrite: bool = False
