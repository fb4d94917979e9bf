"""Damage to files: one byte at a time, or a block, at places that a seed draws."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np

BLOCK = 64


def flipped(whole: bytes, places: int, seed: int = 0) -> Iterator[bytes]:
    """The file with one bit flipped, at so many places one after another."""
    rng = np.random.default_rng(seed)
    for place in rng.choice(len(whole), min(places, len(whole)), replace=False):
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        yield bytes(changed)


def overwritten(whole: bytes, places: int, seed: int = 0) -> Iterator[bytes]:
    """The file with a block zeroed or filled, at so many places one after another."""
    rng = np.random.default_rng(seed)
    for place in rng.choice(len(whole), min(places, len(whole)), replace=False):
        block = bytes(BLOCK) if rng.random() < 0.5 else rng.bytes(BLOCK)
        changed = bytearray(whole)
        changed[place : place + BLOCK] = block[: len(whole) - place]
        if bytes(changed) != whole:
            yield bytes(changed)


def damages(path: Path, places: int, blocks: bool = True) -> Iterator[bytes]:
    """The file damaged in one way after another, each in its place; whole again in the end."""
    whole = path.read_bytes()
    try:
        for changed in chain(flipped(whole, places), overwritten(whole, places // 4) if blocks else ()):
            path.write_bytes(changed)
            yield changed
    finally:
        path.write_bytes(whole)
