"""WebDataset tars: ``{key}.{name}.npy`` and ``{key}.json`` members, read in place through a memory map."""

import io
import json
import mmap
import tarfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import webdataset
from numpy.typing import NDArray

from hero_core.errors import ShardError
from hero_core.shards.record import ArrayRecord
from hero_core.storage import atomic_path


class TarShardWriter:
    """Writes one tar that :mod:`webdataset` reads as it is. Equal records give equal bytes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: set[str] = set()
        self._stack = ExitStack()

    def __enter__(self) -> "TarShardWriter":
        temporary = self._stack.enter_context(atomic_path(self._path))
        file = self._stack.enter_context(temporary.open("wb"))
        self._tar = self._stack.enter_context(
            webdataset.TarWriter(file, encoder=False, mtime=0, user="hero", group="hero", mode=0o644)
        )
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.__exit__(*exception)  # type: ignore[arg-type]

    def write(self, record: ArrayRecord) -> None:
        """Append a record; see :class:`ShardWriter`."""
        if record.key in self._keys:
            raise ShardError(f"{self._path}: key {record.key!r} written twice")
        self._keys.add(record.key)
        members: dict[str, str | bytes] = {"__key__": record.key}
        for name, array in record.storable().items():
            members[f"{name}.npy"] = _npy_bytes(array)
        members["json"] = json.dumps(record.meta, sort_keys=True, allow_nan=False).encode()
        self._tar.write(members)


class _Span(NamedTuple):
    start: int
    size: int


class TarShardReader:
    """Random access by an index of the member headers; pages come and go with the operating system."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._map: mmap.mmap | None = None
        self._index: dict[str, dict[str, _Span]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"_path": self._path, "_map": None, "_index": {}}

    def keys(self) -> list[str]:
        """Keys in the order of writing."""
        self._open()
        return list(self._index)

    def __contains__(self, key: object) -> bool:
        self._open()
        return key in self._index

    def __getitem__(self, key: str) -> ArrayRecord:
        memory = self._open()
        members = self._index.get(key)
        if members is None or "json" not in members:
            raise ShardError(f"{self._path}: no whole record {key!r} in this shard")
        arrays = {
            name.removesuffix(".npy"): self._array(memory, span, f"{key}.{name}")
            for name, span in members.items()
            if name != "json"
        }
        start, size = members["json"]
        return ArrayRecord(key, arrays, json.loads(memory[start : start + size]))

    def _array(self, memory: mmap.mmap, span: _Span, name: str) -> NDArray[Any]:
        # The .npy header says dtype and shape; the data behind it is viewed, not copied.
        header = io.BytesIO(memory[span.start : span.start + min(span.size, 4096)])
        try:
            version = np.lib.format.read_magic(header)
            if version != (1, 0):
                raise ValueError(f"npy version {version}")
            shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(header)
            if fortran_order or dtype.hasobject:
                raise ValueError(f"order or dtype {dtype} that this project never writes")
            count = int(np.prod(shape))
            if header.tell() + count * dtype.itemsize != span.size:
                raise ValueError(f"{span.size} bytes do not hold {shape} {dtype}")
            return np.frombuffer(memory, dtype, count, span.start + header.tell()).reshape(shape)
        except ValueError as error:
            raise ShardError(f"{self._path}: member {name} is damaged: {error}") from None

    def _open(self) -> mmap.mmap:
        if self._map is not None:
            return self._map
        try:
            with self._path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                with tarfile.open(fileobj=file, mode="r:") as tar:
                    for member in tar:
                        key, _, name = member.name.partition(".")
                        self._index.setdefault(key, {})[name] = _Span(member.offset_data, member.size)
        except (OSError, ValueError, tarfile.TarError) as error:
            self._map = None
            raise ShardError(f"{self._path}: cannot be read as a tar shard: {error}") from None
        return self._map


def _npy_bytes(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()
