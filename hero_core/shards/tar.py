"""WebDataset tars: ``{key}.{name}.npy`` and ``{key}.json`` members, viewed in a memory map or read in passing."""

import io
import json
import mmap
import tarfile
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import webdataset
from numpy.typing import NDArray

from hero_core.errors import HeroError, ShardError
from hero_core.shards.record import DAMAGE, ArrayRecord
from hero_core.storage import atomic_path

_UNREADABLE = (*DAMAGE, tarfile.TarError)


_PARSING = Lock()
"""numpy parses headers as Python, which Python 3.11 cannot do in two threads at once (SystemError, now and then)."""


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

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Take the file, and what errors call it where that is not its path."""
        self._path, self._name = path, name or str(path)
        self._map: memoryview | None = None
        self._index: dict[str, dict[str, _Span]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_map": None, "_index": {}}

    def keys(self) -> list[str]:
        """Keys in the order of writing."""
        self._open()
        return list(self._index)

    def __contains__(self, key: object) -> bool:
        self._open()
        return key in self._index

    def __getitem__(self, key: str) -> ArrayRecord:
        memory = self._open()
        spans = self._index.get(key, {})
        return self._record(
            key, {name: memory[start : start + size] for name, (start, size) in spans.items()}
        )

    def records(self, keys: Iterable[str]) -> Generator[ArrayRecord, None, None]:
        """See :class:`ShardReader`; a key that was passed already costs reading from the front again."""
        passing = self._passing()
        for key in keys:
            found = next((members for each, members in passing if each == key), None)
            if found is None:
                passing = self._passing()
                found = next((members for each, members in passing if each == key), {})
            yield self._record(key, {name: memoryview(data) for name, data in found.items()})

    def _passing(self) -> Iterator[tuple[str, dict[str, bytes]]]:
        """The members of every record, as they come in the file."""
        try:
            with tarfile.open(self._path, mode="r|") as tar:
                for key, members in groupby(tar, lambda member: member.name.partition(".")[0]):
                    yield key, {member.name.partition(".")[2]: _content(tar, member) for member in members}
        except _UNREADABLE as error:
            raise ShardError(f"{self._name}: cannot be read as a tar shard: {error}") from None

    def _record(self, key: str, members: Mapping[str, memoryview]) -> ArrayRecord:
        if "json" not in members:
            raise ShardError(f"{self._name}: no whole record {key!r} in this shard")
        arrays = {
            name.removesuffix(".npy"): self._array(data, f"{key}.{name}")
            for name, data in members.items()
            if name != "json"
        }
        try:
            return ArrayRecord(key, arrays, json.loads(bytes(members["json"])))
        except (*DAMAGE, HeroError) as error:
            raise ShardError(f"{self._name}: record {key!r} is damaged: {error}") from None

    def _array(self, data: memoryview, name: str) -> NDArray[Any]:
        # The .npy header says dtype and shape; the data behind it is viewed, not copied.
        header = io.BytesIO(data[:4096])
        try:
            version = np.lib.format.read_magic(header)
            if version != (1, 0):
                raise ValueError(f"npy version {version}")
            with _PARSING:
                shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(header)
            if fortran_order or dtype.hasobject:
                raise ValueError(f"order or dtype {dtype} that this project never writes")
            count = int(np.prod(shape))
            if header.tell() + count * dtype.itemsize != len(data):
                raise ValueError(f"{len(data)} bytes do not hold {shape} {dtype}")
            return np.frombuffer(data, dtype, count, header.tell()).reshape(shape)
        except DAMAGE as error:
            raise ShardError(f"{self._name}: member {name} is damaged: {error}") from None

    def _open(self) -> memoryview:
        if self._map is not None:
            return self._map
        index: dict[str, dict[str, _Span]] = {}
        try:
            with self._path.open("rb") as file:
                memory = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
                with tarfile.open(fileobj=file, mode="r:") as tar:
                    for member in tar:
                        key, _, name = member.name.partition(".")
                        index.setdefault(key, {})[name] = _Span(member.offset_data, member.size)
        except _UNREADABLE as error:
            raise ShardError(f"{self._name}: cannot be read as a tar shard: {error}") from None
        self._index = index
        self._map = memory  # last of all: another thread that finds it needs the whole index
        return memory


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member) if member.isreg() else None
    if file is None:
        raise ValueError(f"{member.name!r} is no plain file")
    return file.read()


def _npy_bytes(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()
