"""Shards: named arrays under a key, in WebDataset tars or HDF5 files, read at random or in passing, from files or URLs.

A shard becomes visible only by rename, complete and flushed; the manifest row that points into it comes last.
"""

from hero_core.shards.checked import CheckedShardReader
from hero_core.shards.formats import open_reader, open_writer
from hero_core.shards.record import ArrayRecord, ShardReader, ShardWriter
from hero_core.shards.remote import RemoteShardReader

__all__ = [
    "ArrayRecord",
    "CheckedShardReader",
    "RemoteShardReader",
    "ShardReader",
    "ShardWriter",
    "open_reader",
    "open_writer",
]
