"""Numbers of a single reaction, to sort reactions by; those of a whole set are in :mod:`trainer.eval.scores`."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from hero_core.minivimo.judge import Verdict
from hero_core.minivimo.questions import QUESTIONS, is_judged, rightness
from hero_core.models.evaluator import MotionEvaluator
from hero_core.motion import physics
from hero_core.motion.humanml3d import CONTACTS, vectors_to_joints
from hero_core.records import Truth
from hero_core.view.document import Metric
from trainer.reactions import Motion, embed

METRICS = (
    Metric("right", "answers right", "%", digits=0, higher_is_better=True),
    Metric("onset", "onset off", "s", digits=2),
    Metric("embedding", "embedding gap", digits=2),
    Metric("joints", "joint gap", "cm", digits=1),
    Metric("skating", "foot slide", "cm/s", digits=1),
)
"""What :func:`numbers_of` gives; gaps are distances from the true reaction."""


def numbers_of(
    motion: Motion, true: Motion, truth: Truth | None, verdict: Verdict, embedded_apart: float | None
) -> dict[str, float]:
    """The numbers of one reaction, by the names of :data:`METRICS`; what is not known is left out.

    Args:
        motion: ``(n, 263)``.
        true: one true reaction to the same clip.
        truth: the right answer, where known.
        verdict: the judge's, of the reaction.
        embedded_apart: from :func:`embedded_apart`.
    """
    numbers = {"joints": 100 * joints_apart_m(motion, true), "skating": 100 * skating_m_s(motion)}
    if embedded_apart is not None:
        numbers["embedding"] = embedded_apart
    if truth is not None and is_judged(truth):
        right = rightness(truth, verdict)
        asked = [right[question] for question in QUESTIONS if question != "all" and question in right]
        numbers["right"] = 100 * float(np.mean(asked))
        if truth.moves and verdict.onset_seconds > 0:
            numbers["onset"] = abs(verdict.onset_seconds - truth.onset_seconds)
    return numbers


def joints_apart_m(motion: Motion, true: Motion) -> float:
    """Mean distance in metres of the joints of two motions that start alike, over the frames that both have."""
    frames = min(len(motion), len(true))
    apart = vectors_to_joints(motion[:frames]) - vectors_to_joints(true[:frames])  # (n, 22, 3)
    return float(np.linalg.norm(apart, axis=-1).mean())


def skating_m_s(motion: Motion) -> float:
    """Mean speed over the floor, in metres a second, of the feet while the motion says that they stand; 0 if never."""
    standing = motion[:-1, CONTACTS] > 0.5  # (n - 1, 4)
    return physics.skating_m_s(vectors_to_joints(motion), standing) if standing.any() else 0.0


def embedded_apart(
    evaluator: MotionEvaluator, motions: Sequence[Motion], true: Sequence[Motion], device: torch.device
) -> NDArray[np.float32]:
    """Distances ``(n,)`` of the embeddings of motions from those of the true ones."""
    apart = embed(evaluator, motions, 32, device) - embed(evaluator, true, 32, device)
    return np.asarray(np.linalg.norm(apart, axis=-1))
