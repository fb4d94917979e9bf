"""HDF5 shards: one group a record, one data set an array, the JSON as an attribute."""

import json
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hero_core.errors import HeroError, ShardError
from hero_core.shards.record import DAMAGE, ArrayRecord
from hero_core.storage import write_bytes


class Hdf5ShardWriter:
    """Writes one HDF5 file without times in it, so that equal records give equal bytes.

    It grows in memory and is written at the end: on a full disk HDF5 cannot close a file, and crashes the process.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> "Hdf5ShardWriter":
        self._file = h5py.File(
            str(self._path),
            "w",
            driver="core",
            backing_store=False,
            libver=("v110", "v110"),
            track_order=True,
        )
        return self

    def __exit__(self, *exception: object) -> None:
        with self._file:
            if exception[0] is None:
                self._file.flush()
                write_bytes(self._path, self._file.id.get_file_image())

    def write(self, record: ArrayRecord) -> None:
        """Append a record; see :class:`ShardWriter`."""
        if record.key in self._file:
            raise ShardError(f"{self._path}: key {record.key!r} written twice")
        group = self._file.create_group(record.key, track_order=True)
        for name, array in record.storable().items():
            group.create_dataset(name, data=array, track_times=False)
        group.attrs["json"] = json.dumps(record.meta, sort_keys=True, allow_nan=False)


class Hdf5ShardReader:
    """Random access to an HDF5 shard. Links are never followed: only what the file itself holds counts."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Take the file, and what errors call it where that is not its path."""
        self._path, self._name = path, name or str(path)
        self._file: h5py.File | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    def keys(self) -> list[str]:
        """Keys in the order of writing."""
        file = self._open()
        with self._refusals("cannot be read as an HDF5 shard"):
            return list(file)

    def __contains__(self, key: object) -> bool:
        file = self._open()
        with self._refusals("cannot be read as an HDF5 shard"):
            return key in file

    def __getitem__(self, key: str) -> ArrayRecord:
        group = self._member(self._open(), key, h5py.Group)
        with self._refusals(f"record {key!r} is damaged"):
            arrays = {name: np.asarray(self._member(group, name, h5py.Dataset)) for name in group}
            return ArrayRecord(key, arrays, json.loads(group.attrs["json"]))

    def records(self, keys: Iterable[str]) -> Generator[ArrayRecord, None, None]:
        """See :class:`ShardReader`; they may come in any order."""
        reader = Hdf5ShardReader(self._path, self._name)
        with reader._open():
            for key in keys:
                yield reader[key]

    def _member(self, parent: Any, name: str, kind: type) -> Any:
        with self._refusals(f"record {name!r} is damaged"):
            link = parent.get(name, getlink=True)
            if link is None:
                raise ShardError(f"{self._name}: no record {name!r} in this shard")
            if not isinstance(link, h5py.HardLink):
                raise ShardError(
                    f"{self._name}: {name!r} is a soft or external link, which a shard may not hold"
                )
            member = parent[name]
            external = kind is h5py.Dataset and (
                getattr(member, "external", None) or getattr(member, "is_virtual", False)
            )
            if not isinstance(member, kind) or external:
                raise ShardError(f"{self._name}: {name!r} is not a plain {kind.__name__} of this file")
            return member

    def _open(self) -> Any:
        if self._file is None:
            with self._refusals("cannot be read as an HDF5 shard"):
                self._file = h5py.File(self._path, "r")
        return self._file

    @contextmanager
    def _refusals(self, what: str) -> Iterator[None]:
        """Errors of h5py and the system, as what is wrong with this file."""
        try:
            yield
        except (*DAMAGE, HeroError) as error:
            if isinstance(error, ShardError) and str(error).startswith(self._name):
                raise  # it says so already
            raise ShardError(f"{self._name}: {what}: {error}") from None
