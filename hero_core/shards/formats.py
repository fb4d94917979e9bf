"""Which backend a shard file has, told by its name."""

from pathlib import Path

from hero_core.errors import ShardError
from hero_core.shards.hdf5 import Hdf5ShardReader, Hdf5ShardWriter
from hero_core.shards.record import ShardReader, ShardWriter
from hero_core.shards.tar import TarShardReader, TarShardWriter


def open_writer(path: Path) -> ShardWriter:
    """A writer for ``path``: ``.tar`` is WebDataset, ``.h5`` is HDF5."""
    match path.suffix:
        case ".tar":
            return TarShardWriter(path)
        case ".h5":
            return Hdf5ShardWriter(path)
    raise ShardError(f"{path}: a shard is a .tar or a .h5 file")


def open_reader(path: Path, name: str | None = None) -> ShardReader:
    """A reader for ``path``, which errors call ``name``; nothing is opened before the first read."""
    match path.suffix:
        case ".tar":
            return TarShardReader(path, name)
        case ".h5":
            return Hdf5ShardReader(path, name)
    raise ShardError(f"{path}: a shard is a .tar or a .h5 file")
