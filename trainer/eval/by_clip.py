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
from trainer.eval.pair_measures import Measured, PairValues
from trainer.eval.plausibility import PlausibilityCheck

SUFFIX = ".by_clip.npz"


@dataclass(frozen=True)
class ByClip:
    """Of the first repeat the embeddings, and of all repeats together the metrics and which answers were right.

    Attributes:
        pairs: keys of the pairs, ``(n,)``.
        clips: keys of their clips, ``(n,)``.
        real: embeddings of the true motions, ``(n, d)``.
        generated: embeddings of the reactions, ``(n, d)``.
        joint_real: of the true motions by the evaluator that sees joints, ``(n, e)``; ``(n, 0)`` without one.
        joint_generated: of the reactions by that one.
        metrics: names of what each pair has a value of, ``(m,)``.
        values: ``(m, n)``, of each pair the mean over its reactions, NaN where a metric does not apply.
        judged: keys of the clips that were judged, ``(k,)``; none where no right answers are known.
        right: ``(k, questions)``, of each clip the share of its reactions that is right, NaN where none applies.
    """

    pairs: NDArray[np.str_]
    clips: NDArray[np.str_]
    real: NDArray[np.float32]
    generated: NDArray[np.float32]
    joint_real: NDArray[np.float32]
    joint_generated: NDArray[np.float32]
    metrics: NDArray[np.str_]
    values: NDArray[np.float64]
    judged: NDArray[np.str_]
    right: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        pairs: Sequence[Pair],
        real: Measured,
        generated: Measured,
        values: PairValues,
        check: PlausibilityCheck,
    ) -> "ByClip":
        """Of an evaluation of ``pairs``.

        Args:
            pairs: in the order of all else.
            real: the true motions.
            generated: the reactions of the first repeat.
            values: of each pair, over all repeats.
            check: has which answers were right.
        """
        nothing = np.empty((len(pairs), 0), np.float32)
        return cls(
            np.array([pair.key for pair in pairs], np.str_),
            np.array([pair.clip_key or pair.key for pair in pairs], np.str_),
            real.embedded.embeddings,
            generated.embedded.embeddings,
            nothing if real.joint is None else real.joint,
            nothing if generated.joint is None else generated.joint,
            np.array(list(values), np.str_),
            np.stack(list(values.values())),
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
