"""Whether one model is better than another on the same clips: what both make of the same resampled clips."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import InputError
from hero_core.minivimo.questions import QUESTIONS
from trainer.eval.by_clip import ByClip
from trainer.eval.intervals import Band
from trainer.eval.matching import TOPS
from trainer.eval.pair_measures import JOINT
from trainer.metrics import RankDeficientWarning, fid

_TAILS_PERCENT = (2.5, 97.5)
SEED = 0
RESAMPLES = 200

RIGHT = "right_"
"""Begins the names of the shares of right answers, one for each question."""

_SEEN_BY_EACH: Mapping[str, Literal["higher", "lower"]] = {
    "fid": "lower",
    "mm_distance": "lower",
    **{f"r_precision_{top}": "higher" for top in TOPS},
}
BETTER: Mapping[str, Literal["higher", "lower"]] = {
    **{f"{RIGHT}{question}": "higher" for question in QUESTIONS},
    **_SEEN_BY_EACH,
    **{f"{JOINT}{metric}": better for metric, better in _SEEN_BY_EACH.items()},
}
"""Of what can be compared clip by clip, and of which one end is the good one: a motion without any jerk is none."""


class Resampled(NamedTuple):
    """A metric of the clips as they are, and of each resample of them, ``(resamples,)``."""

    value: float
    resamples: NDArray[np.float64]


class Difference(NamedTuple):
    """How much more one has than another, with its 95 % interval over clips."""

    value: float
    band: Band

    @property
    def apart(self) -> bool:
        """Whether the interval leaves out 0."""
        return not self.band.low <= 0 <= self.band.high


def resampled(trainings: Sequence[ByClip], resamples: int = RESAMPLES) -> dict[str, Resampled]:
    """FIDs, shares of right answers, and what pairs have values of, each the mean over the trainings of one model.

    The clips of a resample follow from their number alone, so that models measured on the same clips can be compared.

    Raises:
        InputError: the trainings were not measured on the same pairs.
    """
    first = trainings[0]
    for other in trainings[1:]:
        require_same_pairs(first, other)
    names, clip_of = _clips(first)
    groups = [np.flatnonzero(clip_of == clip) for clip in range(len(names))]
    rng = np.random.default_rng([SEED, len(names)])
    draws = [np.arange(len(names)), *rng.integers(len(names), size=(resamples, len(names)))]
    drawn_rows = [np.concatenate([groups[clip] for clip in draw]) for draw in draws]
    found = {"fid": [_mean_fid(trainings, rows, "") for rows in drawn_rows]}
    if first.joint_real.shape[1]:
        found[f"{JOINT}fid"] = [_mean_fid(trainings, rows, JOINT) for rows in drawn_rows]
    values = np.mean([training.values for training in trainings], axis=0)  # (m, n)
    for name, of_pairs in zip(first.metrics.tolist(), values, strict=True):
        found[name] = [_mean(of_pairs[rows]) for rows in drawn_rows]
    for name, of_clips in _right(trainings, names).items():
        found[name] = [_mean(of_clips[draw]) for draw in draws]
    measured = {name: drawn for name, drawn in found.items() if np.isfinite(drawn[0])}
    return {name: Resampled(drawn[0], np.array(drawn[1:])) for name, drawn in measured.items()}


def _right(trainings: Sequence[ByClip], names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """The share of right answers of every clip, ``(clips,)``, NaN where a question does not apply."""
    right = np.full((len(names), len(QUESTIONS)), np.nan)
    places = {name: place for place, name in enumerate(names)}
    rows = [places[str(name)] for name in trainings[0].judged]
    if rows:
        right[rows] = np.mean([training.right for training in trainings], axis=0)
    found = {f"{RIGHT}{question}": right[:, column] for column, question in enumerate(QUESTIONS)}
    return {name: values for name, values in found.items() if np.isfinite(values).any()}


def difference(one: Resampled, other: Resampled) -> Difference:
    """How much more ``one`` has; the interval stands around the difference of the clips as they are."""
    value, spread = one.value - other.value, one.resamples - other.resamples
    spread = spread[np.isfinite(spread)]
    low, high = value + np.percentile(spread, _TAILS_PERCENT) - spread.mean()
    return Difference(value, Band(float(low), float(high)))


def best_apart(models: Mapping[str, Mapping[str, Resampled]]) -> dict[str, str]:
    """By metric the model that is better than every other one, where its intervals against all of them leave out 0."""
    best: dict[str, str] = {}
    for metric, better in BETTER.items():
        measured = {name: found[metric] for name, found in models.items() if metric in found}
        for name, own in measured.items():
            others = [difference(own, other) for rival, other in measured.items() if rival != name]
            if others and all(each.apart and (each.value > 0) == (better == "higher") for each in others):
                best[metric] = name
    return best


def require_same_pairs(one: ByClip, other: ByClip) -> None:
    """Refuse to compare what was measured on different pairs, or by different evaluators.

    Raises:
        InputError: it was.
    """
    if not np.array_equal(one.pairs, other.pairs) or not np.array_equal(one.judged, other.judged):
        raise InputError(
            "the runs were not measured on the same pairs, so they cannot be compared clip by clip; measure both "
            "again with the same --data, --split and --protocol"
        )
    ours, theirs = ((kept.real, kept.joint_real) for kept in (one, other))
    if not all(
        a.shape == b.shape and np.allclose(a, b, atol=1e-4) for a, b in zip(ours, theirs, strict=True)
    ):
        raise InputError(
            "the runs were measured with different evaluators, so their FIDs cannot be compared; measure both again "
            "with the same --evaluator"
        )


def _clips(kept: ByClip) -> tuple[list[str], NDArray[np.int64]]:
    """The clips in the order of their names, and which of them each pair has, ``(n,)``."""
    names, of = np.unique(kept.clips, return_inverse=True)
    return names.tolist(), of


def _mean_fid(trainings: Sequence[ByClip], rows: NDArray[np.int64], prefix: str) -> float:
    sides = [
        (each.joint_real, each.joint_generated) if prefix else (each.real, each.generated)
        for each in trainings
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankDeficientWarning)  # the result says it
        return float(np.mean([fid(real[rows], generated[rows]) for real, generated in sides]))


def _mean(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else np.nan
