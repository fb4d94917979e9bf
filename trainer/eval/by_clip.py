"""What an evaluation keeps of every clip, so that two of them can be compared clip by clip later."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import InputError
from hero_core.records import Pair
from hero_core.storage import atomic_path
from trainer.eval.plausibility import PlausibilityCheck

SUFFIX = ".by_clip.npz"


@dataclass(frozen=True)
class ByClip:
    """Of the first repeat the embeddings, and of all repeats together which answers were right.

    Attributes:
        pairs: keys of the pairs, ``(n,)``.
        clips: keys of their clips, ``(n,)``.
        real: embeddings of the true motions, ``(n, d)``.
        generated: embeddings of the reactions, ``(n, d)``.
        judged: keys of the clips that were judged, ``(k,)``; none where no right answers are known.
        right: ``(k, questions)``, of each clip the share of its reactions that is right, NaN where none applies.
    """

    pairs: NDArray[np.str_]
    clips: NDArray[np.str_]
    real: NDArray[np.float32]
    generated: NDArray[np.float32]
    judged: NDArray[np.str_]
    right: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        pairs: Sequence[Pair],
        real: NDArray[np.float32],
        generated: NDArray[np.float32],
        check: PlausibilityCheck,
    ) -> "ByClip":
        """Of an evaluation of ``pairs`` whose answers ``check`` has."""
        return cls(
            np.array([pair.key for pair in pairs], np.str_),
            np.array([pair.clip_key or pair.key for pair in pairs], np.str_),
            real,
            generated,
            np.array(check.clips, np.str_),
            check.right("generated"),
        )

    def save(self, result: Path) -> None:
        """Write it beside the file of a result."""
        arrays: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        with atomic_path(beside(result)) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, result: Path) -> "ByClip":
        """Read what lies beside the file of a result.

        Raises:
            InputError: nothing does, or it cannot be read.
        """
        path = beside(result)
        if not path.is_file():
            raise InputError(f"{path}: missing; measure again, with hero-eval metrics")
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls(**{field.name: arrays[field.name] for field in fields(cls)})
        except (ValueError, KeyError, OSError) as error:
            raise InputError(f"{path}: damaged ({error}); measure again, with hero-eval metrics") from None


def beside(result: Path) -> Path:
    """Where the file of a result has what belongs to it."""
    return result.with_name(result.stem + SUFFIX)
