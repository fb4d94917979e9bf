"""A motion of which a part is made anew: in-betweens, another ending, another beginning."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import ConfigError, InputError
from hero_core.motion.format import FRAMES_PER_TOKEN, MOTION_DIM

_RANGE = re.compile(r"(\d*):(\d*)")


@dataclass(frozen=True)
class Edit:
    """What to make anew.

    Attributes:
        motion: ``(n, 263)`` HumanML3D vectors.
        keep: ``(n,)`` bool, the frames that come back as they are, bit by bit.
    """

    motion: NDArray[np.float32]
    keep: NDArray[np.bool_]

    @classmethod
    def of(cls, motion: str | Path, keep: Sequence[str]) -> Self:
        """Read a motion, and which frames of it to keep.

        Args:
            motion: ``.npy`` of HumanML3D vectors, or the ``.npz`` of an earlier reaction.
            keep: ranges of frames such as ``0:40``, the second one not among them; without one of the two numbers, from
                the beginning or to the end.

        Raises:
            InputError: no such motion.
            ConfigError: no such range.
        """
        vectors = read_vectors(Path(motion))
        kept = np.zeros(len(vectors), bool)
        for text in keep:
            kept[_range(text, len(vectors))] = True
        return cls(vectors, kept)


def read_vectors(path: Path) -> NDArray[np.float32]:
    """HumanML3D vectors ``(n, 263)`` of a ``.npy`` file, or of the ``.npz`` of a reaction.

    Raises:
        InputError: there are none, or too few frames for a token.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            with loaded:
                loaded = loaded["vectors"]
        vectors = np.asarray(loaded, np.float32)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(f"{path}: no motion can be read from it: {error}") from None
    if vectors.ndim != 2 or vectors.shape[1] != MOTION_DIM or len(vectors) < FRAMES_PER_TOKEN:
        raise InputError(
            f"{path}: expected HumanML3D vectors (n, {MOTION_DIM}) of {FRAMES_PER_TOKEN} frames or more, found "
            f"{vectors.shape}"
        )
    if not np.isfinite(vectors).all():
        raise InputError(f"{path}: holds NaN or infinite values")
    return vectors


def _range(text: str, frames: int) -> slice:
    found = _RANGE.fullmatch(text)
    if found is None:
        raise ConfigError(f"--keep {text}: expected frames as FROM:TO, such as 0:40")
    start, end = int(found[1] or 0), int(found[2] or frames)
    if not start < end <= frames:
        raise ConfigError(f"--keep {text}: the motion has the frames 0:{frames}")
    return slice(start, end)
