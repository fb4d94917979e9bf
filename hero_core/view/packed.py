"""Arrays as the page carries them: bytes in base64, joints in 16 bits, files compressed."""

import base64
import gzip
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_LARGEST = 32767
_FINEST_M = 1e-5  # a motion that hardly leaves the origin needs no finer steps


class PackedJoints(NamedTuple):
    """Joints in whole multiples of ``unit_m`` metres, little-endian int16 in base64; at most half a unit wrong."""

    data: str
    unit_m: float


def pack_joints(joints: ArrayLike) -> PackedJoints:
    """Joints ``(n, 22, 3)`` in metres, finite. Within 3 m of the origin a unit is 0.1 mm or less."""
    positions = np.asarray(joints, np.float64)
    unit = max(float(np.abs(positions).max(initial=0.0)) / _LARGEST, _FINEST_M)
    return PackedJoints(pack_bytes(np.rint(positions / unit).astype("<i2").tobytes()), unit)


def unpack_joints(packed: PackedJoints) -> NDArray[np.float64]:
    """The numbers of :func:`pack_joints`, ``(n * 22 * 3,)``, as the page reads them."""
    steps = np.frombuffer(base64.b64decode(packed.data), "<i2")
    return steps * packed.unit_m


def pack_shares(shares: ArrayLike, highest: float) -> str:
    """Numbers from 0 to ``highest``, a byte each."""
    scaled = np.asarray(shares, np.float64) / max(highest, 1e-12)
    return pack_bytes(np.rint(scaled.clip(0, 1) * 255).astype(np.uint8).tobytes())


def pack_bits(bits: ArrayLike) -> str:
    """Bools ``(n, k)``, k at most 8: a byte for each row, its first column the lowest bit."""
    return pack_bytes(np.packbits(np.asarray(bits, bool), axis=1, bitorder="little").tobytes())


def pack_file(data: bytes) -> str:
    """A file, gzipped; the same bytes give the same text."""
    return pack_bytes(gzip.compress(data, mtime=0))


def pack_bytes(data: bytes) -> str:
    """Base64."""
    return base64.b64encode(data).decode("ascii")
