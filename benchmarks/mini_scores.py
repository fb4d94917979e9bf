"""What the mini encoder's features tell, asked by ridge regression: of frames, and, for comparison, of clips.

Every answer is fitted on the clips of one seed and scored on those of another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hero_core.minivimo.interactions import REACTIONS
from pipeline.minivimo import ClipPlan
from pipeline.minivimo.sight import SIGHT_FIELDS

Array = NDArray[np.float64]

_PENALTIES = np.geomspace(1e-7, 10, 17)  # shares of the features' total variance
_CLOSE_SECONDS = 0.25


@dataclass(frozen=True)
class Watched:
    """A clip and what the encoder made of it.

    Attributes:
        times_seconds: ``(t,)`` of the frames.
        features: ``(t, d)``.
        sight: ``(t, fields)``, what the frames show.
    """

    plan: ClipPlan
    times_seconds: Array
    features: NDArray[np.float32]
    sight: NDArray[np.float32]


@dataclass(frozen=True)
class Ridge:
    """A linear map with an offset: ``(n, d)`` to ``(n, k)``."""

    weight: Array
    offset: Array

    @classmethod
    def fit(cls, inputs: NDArray[np.floating], targets: NDArray[np.floating]) -> Self:
        """Least squares with the penalty that does best when each row in turn is left out."""
        x, y = inputs.astype(np.float64), targets.astype(np.float64)
        x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
        left, sizes, right = np.linalg.svd(x - x_mean, full_matrices=False)  # (n, r), (r,), (r, d)
        seen = left.T @ (y - y_mean)  # (r, k)

        def left_out_error(penalty: float) -> float:
            kept = sizes**2 / (sizes**2 + penalty)
            errors = (y - y_mean) - left @ (kept[:, None] * seen)
            leverage = (left**2 * kept).sum(axis=1) + 1 / len(x)
            return float(((errors / (1 - leverage)[:, None]) ** 2).mean())

        penalty = min(_PENALTIES * (sizes**2).sum(), key=left_out_error)
        weight = right.T @ ((sizes / (sizes**2 + penalty))[:, None] * seen)
        return cls(weight, y_mean - x_mean @ weight)

    def __call__(self, inputs: NDArray[np.floating]) -> Array:
        """Answers ``(n, k)``."""
        return np.asarray(inputs @ self.weight + self.offset, np.float64)


def owner(field: str) -> int:
    """Index of the field that says whether there is anything for ``field`` to tell: faces and hands are a person's."""
    shown = f"{field.split('_')[0]}_shown"
    return SIGHT_FIELDS.index(shown if shown in SIGHT_FIELDS else "person_shown")


def frame_scores(fitted: Sequence[Watched], scored: Sequence[Watched]) -> dict[str, float]:
    """How well single frames tell each field.

    Of what is shown or not, the mean of the shares told right of frames with and without it; of the numbers, R2
    over the frames that show their owner.
    """
    answer = Ridge.fit(
        np.concatenate([clip.features for clip in fitted]), np.concatenate([clip.sight for clip in fitted])
    )
    answers = answer(np.concatenate([clip.features for clip in scored]))  # (n, fields)
    truth = np.concatenate([clip.sight for clip in scored])
    scores = {}
    for column, field in enumerate(SIGHT_FIELDS):
        told, true = answers[:, column], truth[:, column]
        if field.endswith("_shown"):
            right = (told > 0.5) == (true > 0.5)
            scores[field] = float(right[true > 0.5].mean() + right[true <= 0.5].mean()) / 2
        else:
            there = truth[:, owner(field)] > 0.5
            scores[field] = float(1 - ((told - true)[there] ** 2).mean() / true[there].var())
    return {field: round(score, 4) for field, score in scores.items()}


def clip_scores(fitted: Sequence[Watched], scored: Sequence[Watched]) -> dict[str, float]:
    """How well a linear classifier tells the right answer, which the features were never taught.

    The reaction and (of sided clips) the side from the mean feature, from the middle frame and from the first frame
    after the event; when it comes from all frames in their order, beside a constant share of the clip.
    """
    scores = {}
    views = {"mean": _mean, "middle_frame": _middle_frame, "frame_after_event": _frame_after_event}
    for name, view in views.items():
        x, z = (np.stack([view(clip) for clip in clips]) for clips in (fitted, scored))
        scores[f"reaction_from_{name}"] = _accuracy(x, _reactions(fitted), z, _reactions(scored))
        sided = [np.array([clip.plan.interaction.sided for clip in clips]) for clips in (fitted, scored)]
        scores[f"side_from_{name}"] = _accuracy(
            x[sided[0]], _sides(fitted)[sided[0]], z[sided[1]], _sides(scored)[sided[1]]
        )
    shares, durations = _event_shares(fitted), np.array([clip.plan.duration_seconds for clip in scored])
    x, z = (np.stack([clip.features.ravel() for clip in clips]) for clips in (fitted, scored))
    told = {
        "ordered_frames": Ridge.fit(x, shares[:, None])(z)[:, 0],
        "constant": np.full(len(scored), np.median(shares)),
    }
    for name, answers in told.items():
        errors = np.abs(answers - _event_shares(scored)) * durations
        scores[f"event_error_seconds_from_{name}"] = float(np.median(errors))
        scores[f"event_within_{_CLOSE_SECONDS}_seconds_from_{name}"] = float(
            (errors <= _CLOSE_SECONDS).mean()
        )
    return {name: round(score, 4) for name, score in scores.items()}


def _accuracy(x: Array, labels: NDArray[np.int64], z: Array, truth: NDArray[np.int64]) -> float:
    targets = np.eye(labels.max() + 1)[labels]
    return float((Ridge.fit(x, targets)(z).argmax(axis=1) == truth).mean())


def _mean(clip: Watched) -> NDArray[np.float32]:
    return np.asarray(clip.features.mean(axis=0))


def _middle_frame(clip: Watched) -> NDArray[np.float32]:
    return np.asarray(clip.features[len(clip.features) // 2])


def _frame_after_event(clip: Watched) -> NDArray[np.float32]:
    after = np.searchsorted(clip.times_seconds, clip.plan.event_seconds)
    return np.asarray(clip.features[min(int(after), len(clip.features) - 1)])


def _reactions(clips: Sequence[Watched]) -> NDArray[np.int64]:
    return np.array([REACTIONS.index(clip.plan.interaction.reaction) for clip in clips])


def _sides(clips: Sequence[Watched]) -> NDArray[np.int64]:
    return np.array([int(clip.plan.side == "right") for clip in clips])


def _event_shares(clips: Sequence[Watched]) -> Array:
    return np.array([clip.plan.event_seconds / clip.plan.duration_seconds for clip in clips])
