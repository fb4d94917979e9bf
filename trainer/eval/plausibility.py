"""Is it a plausible reaction? Where a data set knows the right answer, a geometric judge can say.

Three questions to every held-out clip: is it the right reaction, to the right side, at the right time? The answers
stand beside what guessing gives, and beside a control that sees the features of another clip.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hero_core.judge import UNCLEAR, Verdict, judge
from hero_core.motion.humanml3d import vectors_to_joints
from trainer.eval.held_out import HeldOutPair, Truth

ONSET_TOLERANCE_SECONDS = 0.25
QUESTIONS = ("reaction", "side", "onset", "all")
SHORTEST_FRAMES = 10  # of a motion that can be judged
_Z95 = 1.96


class Share(NamedTuple):
    """A share of clips with its Wilson 95 % interval."""

    share: float
    low: float
    high: float
    clips: int


@dataclass(frozen=True)
class Answers:
    """The share of right answers to every question, and how often which true reaction was judged to be which.

    Attributes:
        reactions: judged for each clip; a clip counts once, with the share of its reactions that are right.
        shares: by question. ``side`` is asked only where the right reaction has one, ``onset`` (within 0.25 s) where
            it is a movement; ``all`` needs every answer that applies.
        confusion: by true reaction, the share of each judged one.
    """

    reactions: int
    shares: dict[str, Share]
    confusion: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Plausibility:
    """Answers by name of what was judged, beside what needs no video.

    Attributes:
        answers: e.g. ``generated`` and ``real``.
        chance: ``uniform`` guessing, and ``constant``, the best answer that is always the same; by question.
    """

    answers: dict[str, Answers]
    chance: dict[str, dict[str, float]]


class Panel:
    """Judges motions of the clips whose right answers are known."""

    def __init__(self, pairs: Sequence[HeldOutPair], lengths: Sequence[int]) -> None:
        """Take the first pair of every such clip, unless its motion of ``lengths`` frames is too short to judge."""
        first: dict[str, int] = {}
        for row, (pair, length) in enumerate(zip(pairs, lengths, strict=True)):
            if pair.truth is not None and length >= SHORTEST_FRAMES:
                first.setdefault(pair.pair.clip_key, row)
        self.rows = list(first.values())
        self.truths = [truth for row in self.rows if (truth := pairs[row].truth) is not None]
        self._verdicts: dict[str, list[list[Verdict]]] = {}

    def judge(self, name: str, motions: Sequence[NDArray[np.float32]]) -> None:
        """Judge one motion ``(n, 263)`` a pair, in the order of the pairs; call again with further ones."""
        verdicts = self._verdicts.setdefault(name, [[] for _ in self.rows])
        for of_clip, row in zip(verdicts, self.rows, strict=True):
            of_clip.append(judge(vectors_to_joints(motions[row])))

    def result(self) -> Plausibility | None:
        """What was found; None where no right answer is known."""
        if not self.rows:
            return None
        answers = {name: assess(self.truths, verdicts) for name, verdicts in self._verdicts.items()}
        return Plausibility(answers, chance(self.truths))


def assess(truths: Sequence[Truth], verdicts: Sequence[Sequence[Verdict]]) -> Answers:
    """Compare the verdicts on one or more reactions to every clip with the truth."""
    right: dict[str, list[float]] = {question: [] for question in QUESTIONS}
    confusion: dict[str, Counter[str]] = {}
    for truth, of_clip in zip(truths, verdicts, strict=True):
        checked = [_check(truth, verdict) for verdict in of_clip]
        for question in checked[0]:
            right[question].append(float(np.mean([check[question] for check in checked])))
        confusion.setdefault(truth.reaction, Counter()).update(verdict.reaction for verdict in of_clip)
    return Answers(
        reactions=len(verdicts[0]),
        shares={
            name: wilson(float(np.mean(values)), len(values)) for name, values in right.items() if values
        },
        confusion={truth: _shares(counts) for truth, counts in sorted(confusion.items())},
    )


def chance(truths: Sequence[Truth]) -> dict[str, dict[str, float]]:
    """What needs no video: see :class:`Plausibility`."""
    reactions = [truth.reaction for truth in truths]
    uniform, constant = {"reaction": 1 / len(set(reactions))}, {"reaction": _commonest(reactions)}
    if sides := [truth.side for truth in truths if truth.side != "none"]:
        uniform["side"], constant["side"] = 0.5, _commonest(sides)
    if onsets := [truth.onset_seconds for truth in truths if truth.moves]:
        constant["onset"] = _best_window(np.array(onsets), 2 * ONSET_TOLERANCE_SECONDS)
    return {"uniform": uniform, "constant": constant}


def shuffled(truths: Sequence[Truth], rng: np.random.Generator) -> NDArray[np.int64] | None:
    """Another clip for every clip, always one with another right reaction; a permutation ``(n,)``.

    Returns:
        None where that is impossible: more than half of the clips want the same reaction.
    """
    reactions = [truth.reaction for truth in truths]
    largest = max(Counter(reactions).values(), default=0)
    if not reactions or 2 * largest > len(reactions):
        return None
    names = rng.permutation(sorted(set(reactions))).tolist()
    ties = rng.permutation(len(reactions))
    grouped = np.array(
        sorted(range(len(reactions)), key=lambda row: (names.index(reactions[row]), ties[row]))
    )
    other = np.empty(len(reactions), np.int64)
    other[grouped] = np.roll(grouped, -largest)  # as far as the largest group is long leaves every group
    return other


def wilson(share: float, count: int) -> Share:
    """A share of ``count`` independent clips with its 95 % interval (Wilson, 1927)."""
    spread = _Z95**2 / count
    centre = (share + spread / 2) / (1 + spread)
    half = float(_Z95 * np.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread))
    return Share(share, max(0.0, centre - half), min(1.0, centre + half), count)


def _check(truth: Truth, verdict: Verdict) -> dict[str, bool]:
    checked = {"reaction": verdict.reaction == truth.reaction}
    if truth.side != "none":
        checked["side"] = verdict.side == truth.side
    if truth.moves:
        late_seconds = abs(verdict.onset_seconds - truth.onset_seconds)
        checked["onset"] = verdict.reaction != UNCLEAR and late_seconds <= ONSET_TOLERANCE_SECONDS
    return checked | {"all": all(checked.values())}


def _commonest(values: Sequence[str]) -> float:
    return max(Counter(values).values()) / len(values)


def _best_window(values: NDArray[np.float64], width: float) -> float:
    """Largest share of the values that one window of this width holds."""
    ahead = values - values[:, None]  # (n, n) from each value, the window's lower end
    return float(((ahead >= 0) & (ahead <= width)).mean(axis=1).max())


def _shares(counts: Counter[str]) -> dict[str, float]:
    return {name: count / counts.total() for name, count in sorted(counts.items())}
