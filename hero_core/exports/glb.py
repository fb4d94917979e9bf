"""The container of glTF 2.0: numbers into one buffer, JSON that points at them, both into one binary file."""

import json
import struct
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hero_core.storage import write_bytes

Json = dict[str, Any]

_COMPONENT_TYPES = {"float32": 5126, "uint16": 5123, "uint8": 5121}
_SHAPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
_TARGETS = {"vertices": 34962, "indices": 34963}
_MAGIC, _VERSION, _JSON, _BIN = 0x46546C67, 2, 0x4E4F534A, 0x004E4942


class Buffer:
    """The numbers of a file, and the accessors that describe them."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[Json] = []
        self.accessors: list[Json] = []

    def add(
        self,
        values: NDArray[Any],
        use: Literal["vertices", "indices"] | None = None,
        bounds: bool = False,
        normalized: bool = False,
    ) -> int:
        """Append values (n, ...) of float32, uint16 or uint8; returns the accessor's number.

        Matrices (n, 4, 4) are given row by row, as numpy has them. ``bounds`` states least and largest values.
        ``normalized``: whole numbers that stand for shares of their largest.
        """
        stored = values.swapaxes(1, 2) if values.ndim == 3 else values  # glTF has columns first
        view: Json = {"buffer": 0, "byteOffset": len(self.data), "byteLength": stored.nbytes}
        if use is not None:
            view["target"] = _TARGETS[use]
        accessor: Json = {
            "bufferView": len(self.views),
            "componentType": _COMPONENT_TYPES[stored.dtype.name],
            "count": len(stored),
            "type": _SHAPES[stored.shape[1:]],
        }
        if normalized:
            accessor["normalized"] = True
        if bounds:
            accessor |= {"min": _listed(stored.min(axis=0)), "max": _listed(stored.max(axis=0))}
        self.data += stored.astype(stored.dtype.newbyteorder("<")).tobytes()
        self.data += bytes(-len(self.data) % 4)
        self.views.append(view)
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def write_container(path: Path, document: Json, buffer: Buffer) -> None:
    """Write a binary glTF file, atomically."""
    whole = {
        "asset": {"version": "2.0", "generator": "hero-motion"},
        **document,
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    text = json.dumps(whole, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), _JSON) + text
    chunks += struct.pack("<II", len(buffer.data), _BIN) + bytes(buffer.data)
    write_bytes(path, struct.pack("<III", _MAGIC, _VERSION, 12 + len(chunks)) + chunks)


def _listed(values: NDArray[Any]) -> list[float]:
    return [float(value) for value in np.atleast_1d(values)]
