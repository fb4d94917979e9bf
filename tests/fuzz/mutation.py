"""Damage of many kinds to the bytes of a file, all of it decided by a number, so that it can be repeated."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

CHANGE_COUNTS = (1, 1, 1, 2, 3)
"""How many changes a file gets, each as likely: a file that is changed often is rarely read far."""

STRANGE_VALUES: tuple[Any, ...] = (None, True, -1, 10**30, 0.5, "", "strange", [], [1], {}, {"strange": 1})
"""What stands in JSON where something else should."""

_NEAR = 256
"""Bytes at either end where half of the changes begin: that is where formats keep what the rest hangs on."""

Change = Callable[[bytes, bytes, np.random.Generator], bytes]


def mutated(whole: bytes, other: bytes, seed: int) -> bytes:
    """``whole`` with one to three changes, never as it was; some of them take bytes of ``other``."""
    rng = np.random.default_rng(seed)
    changed = whole
    while changed == whole:
        for _ in range(rng.choice(CHANGE_COUNTS)):
            changed = CHANGES[rng.integers(len(CHANGES))](changed, other, rng)
    return changed


def mutated_json(whole: bytes, seed: int) -> bytes:
    """JSON that is still JSON, with a value somewhere in it gone or of another type."""
    rng = np.random.default_rng(seed)
    values = json.loads(whole)
    holders = [holder for holder in _holders(values) if holder]
    holder = holders[rng.integers(len(holders))]
    places = list(holder) if isinstance(holder, dict) else range(len(holder))
    place = places[rng.integers(len(places))]
    if rng.random() < 0.2:
        del holder[place]
    else:
        holder[place] = STRANGE_VALUES[rng.integers(len(STRANGE_VALUES))]
    return json.dumps(values).encode()


def _holders(value: Any) -> list[Any]:
    """Every object and every list in it."""
    if not isinstance(value, dict | list):
        return []
    inside = value.values() if isinstance(value, dict) else value
    return [value, *(holder for each in inside for holder in _holders(each))]


def _place(size: int, rng: np.random.Generator) -> int:
    """From 0 to ``size``, half of the time near an end."""
    near = int(rng.integers(min(size, _NEAR) + 1))
    return (near, size - near, int(rng.integers(size + 1)), int(rng.integers(size + 1)))[rng.integers(4)]


def _block(size: int, rng: np.random.Generator) -> slice:
    """A few bytes as likely as many, up to half of all."""
    start = min(_place(size, rng), max(size - 1, 0))
    length = int(2 ** rng.uniform(0, np.log2(max(size / 2, 1))))
    return slice(start, min(start + length, size))


def _flip_bits(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.integers(1, 9) if data else 0):
        changed[min(_place(len(data), rng), len(data) - 1)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _overwrite(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    block = _block(len(data), rng)
    length = block.stop - block.start
    filling = (b"\x00" * length, b"\xff" * length, rng.bytes(length))[rng.integers(3)]
    return data[: block.start] + filling + data[block.stop :]


def _truncate(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return data[: _place(len(data), rng)]


def _duplicate(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    block = _block(len(data), rng)
    return data[: block.stop] + data[block.start :]


def _insert(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    place = _place(len(data), rng)
    return data[:place] + rng.bytes(int(2 ** rng.uniform(0, 10))) + data[place:]


def _remove(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    block = _block(len(data), rng)
    return data[: block.start] + data[block.stop :]


def _swap_blocks(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    first, second, third, fourth = sorted(_place(len(data), rng) for _ in range(4))
    middle = data[third:fourth] + data[second:third] + data[first:second]
    return data[:first] + middle + data[fourth:]


def _splice(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The beginning of one and the end of the other, or a block of the other in the place of one here."""
    if rng.random() < 0.5:
        return data[: _place(len(data), rng)] + other[_place(len(other), rng) :]
    block, theirs = _block(len(data), rng), _block(len(other), rng)
    return data[: block.start] + other[theirs] + data[block.stop :]


CHANGES: tuple[Change, ...] = (
    _flip_bits,
    _flip_bits,
    _overwrite,
    _overwrite,
    _truncate,
    _duplicate,
    _insert,
    _remove,
    _swap_blocks,
    _splice,
)
