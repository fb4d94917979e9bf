"""Chooses checkpoints by the reactions that they give to the validation clips, not by how likely the true ones are.

A model of few clips goes on to give better reactions long after the likelihood of the true ones has passed its best.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from hero_core.minivimo.judge import judge
from hero_core.minivimo.questions import is_judged, rightness
from hero_core.models.base import Generator
from hero_core.models.evaluator import MotionEvaluator
from hero_core.motion.format import whole_tokens
from hero_core.motion.humanml3d import vectors_to_joints
from hero_core.records import Truth
from hero_core.training_set import Samples
from trainer.metrics import RankDeficientWarning, fid
from trainer.reactions import Motion, embed, react

SEED = 0
MOST_CLIPS = 256
"""So many validation clips are enough to compare checkpoints."""
LEAST_CLIPS = 2
"""Without known answers: a distance between distributions needs them."""
BATCH_SIZE = 32


def known_answers(samples: Samples) -> bool:
    """Whether the judge can tell right reactions to all these clips from wrong ones."""
    return all(is_judged(row.pair.truth) for row in samples.rows)


class ReactionScorer:
    """Gives one reaction to every validation clip, always with the same draws, and scores them.

    Where the right answers are known, ``wrong_answers`` counts: the share of wrong ones, the mean over the questions
    reaction, side and onset. Elsewhere ``fid`` does, to the true motions of the same clips.
    """

    def __init__(
        self,
        generator_of: Callable[[Any], Generator],
        samples: Samples,
        evaluator: MotionEvaluator | None,
        device: torch.device,
    ) -> None:
        """Choose the clips, evenly from all.

        Args:
            generator_of: makes a generator of the part in training.
            samples: validation pairs; the first of every clip is used.
            evaluator: on the device; None where the right answers are known.
            device: where to compute.
        """
        first: dict[str | None, int] = {}
        for row, of in enumerate(samples.rows):
            first.setdefault(of.pair.clip_key, row)
        rows = list(first.values())
        self._rows = rows[:: -(-len(rows) // MOST_CLIPS)]
        self._samples, self._generator_of = samples, generator_of
        self._evaluator, self._device = evaluator, device
        self._made: tuple[Any, Generator] | None = None
        self.metric = "wrong_answers" if evaluator is None else "fid"

    def __call__(self, part: Any) -> dict[str, float]:
        """The metric of one reaction to every clip, with the shares of right answers where they are known."""
        samples = [self._samples[row] for row in self._rows]
        lengths = [whole_tokens(len(sample.motion)) for sample in samples]
        videos = [sample.video for sample in samples]
        rng = torch.Generator(self._device).manual_seed(SEED)
        motions = react(self._generator(part), videos, lengths, rng, BATCH_SIZE, self._device)
        if self._evaluator is not None:
            true = [sample.motion[:length] for sample, length in zip(samples, lengths, strict=True)]
            real, generated = (
                embed(self._evaluator, each, BATCH_SIZE, self._device) for each in (true, motions)
            )
            with warnings.catch_warnings():
                # too few clips for a true FID, enough to compare checkpoints on the same ones
                warnings.simplefilter("ignore", RankDeficientWarning)
                return {"fid": fid(real, generated)}
        truths = [sample.pair.truth for sample in samples]
        return _answers(truths, motions)

    def _generator(self, part: Any) -> Generator:
        """Made once for a part, so that what a GPU has recorded of it lasts."""
        if self._made is None or self._made[0] is not part:
            self._made = part, self._generator_of(part)
        return self._made[1]


def _answers(truths: Sequence[Truth | None], motions: Sequence[Motion]) -> dict[str, float]:
    right: dict[str, list[bool]] = {}
    for truth, motion in zip(truths, motions, strict=True):
        assert truth is not None  # known_answers
        for question, answer in rightness(truth, judge(vectors_to_joints(motion))).items():
            right.setdefault(question, []).append(answer)
    shares = {question: float(np.mean(answers)) for question, answers in right.items()}
    wrong = [1 - share for question, share in shares.items() if question != "all"]
    return {
        "wrong_answers": float(np.mean(wrong)),
        **{f"right_{name}": share for name, share in shares.items()},
    }
