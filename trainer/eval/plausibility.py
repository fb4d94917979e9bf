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

from hero_core.errors import InputError
from hero_core.minivimo.interactions import REACTIONS
from hero_core.minivimo.judge import SHORTEST_FRAMES, UNCLEAR, Verdict, judge
from hero_core.motion.humanml3d import vectors_to_joints
from hero_core.records import Pair, Truth

ONSET_TOLERANCE_SECONDS = 0.25
QUESTIONS = {
    "reaction": "reaction",
    "side": "side",
    "onset": f"onset within {ONSET_TOLERANCE_SECONDS} s",
    "all": "all of them",
}
"""Each with its words for people."""
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
        shares: by question. ``side`` applies only where the right reaction has one, ``onset`` (within 0.25 s) where
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


class PlausibilityCheck:
    """Judges motions of the clips whose right answers are known, and known to the judge."""

    def __init__(self, pairs: Sequence[Pair], lengths: Sequence[int]) -> None:
        """Take the first pair of every such clip, unless its motion of so many frames is too short to judge."""
        first: dict[str | None, tuple[int, Truth]] = {}
        for row, (pair, length) in enumerate(zip(pairs, lengths, strict=True)):
            truth = pair.truth
            if truth is not None and truth.reaction in REACTIONS and length >= SHORTEST_FRAMES:
                first.setdefault(pair.clip_key, (row, truth))
        self.rows = [row for row, _ in first.values()]
        self.truths = [truth for _, truth in first.values()]
        self._verdicts: dict[str, list[list[Verdict]]] = {}

    def judge(self, name: str, motions: Sequence[NDArray[np.float32]]) -> None:
        """Judge one motion ``(n, 263)`` for every pair, in their order; call again with further ones."""
        verdicts = self._verdicts.setdefault(name, [[] for _ in self.rows])
        for of_clip, row in zip(verdicts, self.rows, strict=True):
            of_clip.append(judge(vectors_to_joints(motions[row])))

    def other_clips(self, pairs: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """For every of all the ``pairs`` whose video to show instead: of those judged, see :func:`shuffled`."""
        others: NDArray[np.int64] = np.arange(pairs)
        rows = np.array(self.rows)
        others[rows] = rows[shuffled(self.truths, rng)]
        return others

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


def can_shuffle(truths: Sequence[Truth]) -> bool:
    """Whether every clip can be dealt one with another right reaction: no reaction has more than half of them."""
    counts = Counter(truth.reaction for truth in truths)
    return bool(counts) and 2 * max(counts.values()) <= counts.total()


def shuffled(truths: Sequence[Truth], rng: np.random.Generator) -> NDArray[np.int64]:
    """Another clip for every clip, always one with another right reaction; a permutation ``(n,)``.

    Raises:
        InputError: that is impossible, see :func:`can_shuffle`.
    """
    if not can_shuffle(truths):
        raise InputError("more than half of the clips have the same right reaction; they cannot be shuffled")
    reactions = [truth.reaction for truth in truths]
    largest = max(Counter(reactions).values())
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
