"""A motion of which a part is made anew: in-betweens, another ending, another beginning."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import ConfigError, InputError
from hero_core.motion.arrays import read_npy, read_npz
from hero_core.motion.format import FRAMES_PER_TOKEN, MOTION_DIM, whole_tokens

_RANGE = re.compile(r"(\d*):(\d*)")


@dataclass(frozen=True)
class Edit:
    """What to make anew.

    Attributes:
        motion: ``(n, 263)`` HumanML3D vectors, whole tokens.
        keep: ``(n,)`` bool, the frames that come back as they are, bit by bit.
    """

    motion: NDArray[np.float32]
    keep: NDArray[np.bool_]

    @classmethod
    def of(cls, motion: str | Path, keep: Sequence[str]) -> Self:
        """Read a motion, as far as its frames make whole tokens, and which of them to keep.

        Args:
            motion: ``.npy`` of HumanML3D vectors, or the ``.npz`` of an earlier reaction.
            keep: ranges of frames such as ``0:40``, the second one not among them; without one of the two numbers, from
                the beginning or to the end.

        Raises:
            InputError: no such motion.
            ConfigError: no such range.
        """
        vectors = read_vectors(Path(motion))
        vectors = vectors[: whole_tokens(len(vectors))]
        kept = np.zeros(len(vectors), bool)
        for text in keep:
            kept[_range(text, len(vectors))] = True
        return cls(vectors, kept)

    def facts(self) -> dict[str, Any]:
        """What is made anew, as JSON values: the motion's hash, and the kept frames as ranges."""
        edges = np.flatnonzero(np.diff(self.keep, prepend=False, append=False)).tolist()
        return {
            "vectors_sha256": hashlib.sha256(self.motion.astype("<f4").tobytes()).hexdigest(),
            "kept_frames": [list(each) for each in zip(edges[::2], edges[1::2], strict=True)],
        }


def read_vectors(path: Path) -> NDArray[np.float32]:
    """HumanML3D vectors ``(n, 263)`` of a ``.npy`` file, or of the ``.npz`` of a reaction.

    Raises:
        InputError: there are none, or too few frames for a token.
    """
    try:
        loaded = read_npz(path, ("vectors",))["vectors"] if path.suffix.lower() == ".npz" else read_npy(path)
    except InputError as error:
        raise InputError(f"no motion can be read: {error}") from None
    vectors = np.asarray(loaded, np.float32)
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
        raise ConfigError(
            f"--keep {text}: the motion has the frames 0:{frames}, in whole tokens of {FRAMES_PER_TOKEN}"
        )
    return slice(start, end)
