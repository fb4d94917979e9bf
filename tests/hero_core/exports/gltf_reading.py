"""A small reader of binary glTF, written from the specification and not from the writer."""

import json
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hero_core.motion import rotations as rot
from hero_core.motion.rotations import Array

_DTYPES = {5126: "<f4", 5123: "<u2", 5121: "u1"}
_WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Gltf(NamedTuple):
    """The JSON and the binary chunk."""

    document: dict[str, Any]
    binary: bytes

    def numbers(self, accessor: int) -> Array:
        """The values (n, width) of an accessor."""
        about = self.document["accessors"][accessor]
        view = self.document["bufferViews"][about["bufferView"]]
        dtype, width = np.dtype(_DTYPES[about["componentType"]]), _WIDTHS[about["type"]]
        assert view["byteOffset"] % 4 == 0
        assert view["byteLength"] == about["count"] * width * dtype.itemsize
        start = view["byteOffset"]
        values = np.frombuffer(self.binary[start : start + view["byteLength"]], dtype).reshape(-1, width)
        for bound, found in (("min", values.min(axis=0)), ("max", values.max(axis=0))):
            if bound in about:
                np.testing.assert_array_equal(about[bound], found)
        return values.astype(np.float64)

    def parents(self) -> list[int]:
        """Of each node; -1 of those in the scene."""
        parents = [-1] * len(self.document["nodes"])
        for number, node in enumerate(self.document["nodes"]):
            for child in node.get("children", ()):
                parents[child] = number
        return parents

    def names(self) -> list[str]:
        """Of the nodes."""
        return [node["name"] for node in self.document["nodes"]]

    def times(self) -> Array:
        """Seconds (n,) of the animation's frames."""
        return self.numbers(self.document["animations"][0]["samplers"][0]["input"])[:, 0]

    def posed(self) -> tuple[Array, Array]:
        """Where each node is (n, nodes, 3), and how it is turned (n, nodes, 4), by the animation."""
        animation, nodes = self.document["animations"][0], self.document["nodes"]
        frames = len(self.times())
        places = np.tile([node.get("translation", [0.0, 0.0, 0.0]) for node in nodes], (frames, 1, 1))
        turns = np.tile(rot.IDENTITY, (frames, len(nodes), 1))
        for channel in animation["channels"]:
            values = self.numbers(animation["samplers"][channel["sampler"]]["output"])
            if channel["target"]["path"] == "rotation":
                turns[:, channel["target"]["node"]] = values[:, [3, 0, 1, 2]]
            else:
                places[:, channel["target"]["node"]] = values
        for node, parent in enumerate(self.parents()):  # parents come first
            if parent >= 0:
                assert parent < node
                places[:, node] = places[:, parent] + rot.rotate(turns[:, parent], places[:, node])
                turns[:, node] = rot.multiply(turns[:, parent], turns[:, node])
        return places, turns


def read_gltf(path: Path) -> Gltf:
    data = path.read_bytes()
    magic, version, size = struct.unpack_from("<4sII", data)
    assert (magic, version, size) == (b"glTF", 2, len(data))
    length, kind = struct.unpack_from("<I4s", data, 12)
    assert (kind, length % 4) == (b"JSON", 0)
    document = json.loads(data[20 : 20 + length])
    binary_length, kind = struct.unpack_from("<I4s", data, 20 + length)
    assert (kind, binary_length % 4) == (b"BIN\0", 0)
    binary = data[28 + length :]
    assert len(binary) == binary_length == document["buffers"][0]["byteLength"]
    return Gltf(document, binary)
