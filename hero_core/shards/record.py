"""What a shard holds, and the two faces every backend has."""

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from tokenize import TokenError
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import ShardError
from hero_core.records import check_key

DAMAGE = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    MemoryError,
    SyntaxError,
    TokenError,
)
"""What the libraries below run into where bytes are not what they were; the last two come of numpy's headers."""


@dataclass(frozen=True)
class ArrayRecord:
    """Named arrays and a small JSON object under one key."""

    key: str
    arrays: Mapping[str, NDArray[Any]]
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_key(self.key)
        for name, array in self.arrays.items():
            check_key(name)
            if array.dtype.hasobject:
                raise ShardError(f"{self.key}.{name}: object arrays are never stored")
        if not isinstance(self.meta, Mapping):
            raise ShardError(f"{self.key}: its JSON is no object")

    def storable(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, C-contiguous and little-endian, so that equal records give equal bytes."""
        return {
            name: np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            for name, array in sorted(self.arrays.items())
        }


class ShardWriter(Protocol):
    """Writes the records of one shard; the file appears when the ``with`` block ends well."""

    def __enter__(self) -> "ShardWriter": ...

    def __exit__(self, *exception: object) -> None: ...

    def write(self, record: ArrayRecord) -> None:
        """Append a record; it is found again under its key.

        Raises:
            ShardError: the key is already in this shard.
        """
        ...


class ShardReader(Protocol):
    """Reads the records of one shard in any order. Safe to pickle: files open in the process that reads."""

    def __getitem__(self, key: str) -> ArrayRecord:
        """The record under ``key``.

        Raises:
            ShardError: there is none, or the bytes are damaged.
        """
        ...

    def __contains__(self, key: object) -> bool: ...

    def keys(self) -> list[str]:
        """Keys in the order of writing."""
        ...

    def records(self, keys: Iterable[str]) -> Generator[ArrayRecord, None, None]:
        """The records under ``keys``, which are asked for one by one, by plain reads; nothing is kept or mapped.

        The file is read once from front to back if the keys come in the order of writing.

        Raises:
            ShardError: there is none, or the bytes are damaged.
        """
        ...
