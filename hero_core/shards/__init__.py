"""Shards: named arrays under a key, in WebDataset tars or HDF5 files, read at random.

A shard becomes visible only by rename, complete and flushed; the manifest row that points into it comes last.
"""

from hero_core.shards.formats import SHARD_FORMATS, ShardFormat, open_reader, open_writer
from hero_core.shards.record import ArrayRecord, ShardReader, ShardWriter

__all__ = [
    "SHARD_FORMATS",
    "ArrayRecord",
    "ShardFormat",
    "ShardReader",
    "ShardWriter",
    "open_reader",
    "open_writer",
]
