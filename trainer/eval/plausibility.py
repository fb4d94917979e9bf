"""Is it a plausible reaction? Where a data set knows the right answer, a geometric judge can say.

Three questions to every held-out clip: is it the right reaction, to the right side, at the right time? The answers of a
model mean something beside those of :data:`ROWS`: of the truth, of what needs no model, and of the model when it is
shown less than the video.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import InputError
from hero_core.minivimo.interactions import INTERACTIONS
from hero_core.minivimo.judge import SHORTEST_FRAMES, Verdict, judge
from hero_core.minivimo.questions import QUESTIONS, is_judged, rightness
from hero_core.motion.humanml3d import vectors_to_joints
from hero_core.records import Pair, Truth
from trainer.eval.intervals import Share, share_of
from trainer.reactions import Motion, cut_or_hold

_ASKS = {kind.name: kind.asks for kind in INTERACTIONS}

T = TypeVar("T")


class RowText(NamedTuple):
    """What stands in a row of the table: a name, where ``{model}`` is the generator, and what it is."""

    name: str
    explanation: str


ROWS: dict[str, RowText] = {
    "real": RowText("true reactions", "the motions of the data set, as the judge sees them"),
    "reconstruction": RowText("tokenizer round trip", "the true motions through the tokenizer and back"),
    "generated": RowText("{model}", "reactions to the videos"),
    "one_frame": RowText(
        "{model}, one frame only", "the middle frame's features in the place of all frames and of their mean"
    ),
    "reversed": RowText("{model}, frames reversed", "the frames from last to first, at the same times"),
    "shuffled": RowText("{model}, frames shuffled", "the frames in random order, at the same times"),
    "other_clip": RowText("{model}, another clip", "the features of a clip with another right reaction"),
    "classifier": RowText(
        "classifier on the global feature",
        "ridge regression names reaction and side; a training motion of that class, cut to length or held at its end",
    ),
    "nearest": RowText(
        "nearest training clip",
        "a motion of the training clip with the most similar global feature, cut to length or held at its end",
    ),
    "constant": RowText(
        "best constant answer",
        "always the same, by what is commonest in training; the best one for each question, and the best for all",
    ),
}
"""What is judged, in the order of the table."""


@dataclass(frozen=True)
class Answers:
    """The share of right answers to every question, and how often which true reaction was judged to be which.

    Attributes:
        reactions: judged for each clip; a clip counts once, with the share of its reactions that are right.
        shares: by question. ``side`` applies only where the right reaction has one, ``onset`` (within 0.25 s) where
            it is a movement; ``all`` needs every answer that applies.
        confusion: by true reaction, the share of each judged one; empty for answers that are no motions.
    """

    reactions: int
    shares: dict[str, Share]
    confusion: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Plausibility:
    """What is right in everything that was judged.

    Attributes:
        answers: by name, see :data:`ROWS`.
        asks: of the model's reactions (``generated``), by what the clip asks for; of MiniViMo's interactions only.
        categories: of the model's reactions, by broad category, then by ``broad/subcategory``.
        uniform: the share that guessing each reaction and each side equally often gets right; by question.
    """

    answers: dict[str, Answers]
    asks: dict[str, Answers]
    categories: dict[str, Answers]
    uniform: dict[str, float]


@dataclass
class _Judged:
    """Right answers ``(clips, questions)`` of one reaction after another, and what they were judged to be."""

    right: list[NDArray[np.float64]] = field(default_factory=list)
    verdicts: list[Sequence[Verdict]] = field(default_factory=list)


class PlausibilityCheck:
    """Judges motions of the clips whose right answers are known, and known to the judge.

    Attributes:
        rows: of the pairs, those that stand for a judged clip.
        truths: their right answers.
        clips: their keys.
        categories: of each of these clips its broad category, and its subcategory in it.
        asks: what each of these clips asks for; None for an interaction that is not MiniViMo's.
    """

    def __init__(self, pairs: Sequence[Pair], lengths: Sequence[int]) -> None:
        """Take the first pair of every such clip, unless its motion of so many frames is too short to judge."""
        first: dict[str | None, tuple[int, Truth]] = {}
        for row, (pair, length) in enumerate(zip(pairs, lengths, strict=True)):
            truth = pair.truth
            if truth is not None and is_judged(truth) and length >= SHORTEST_FRAMES:
                first.setdefault(pair.clip_key, (row, truth))
        self.rows = [row for row, _ in first.values()]
        self.truths = [truth for _, truth in first.values()]
        self.clips = [str(clip) for clip in first]
        self.categories = [(pairs[row].broad, subcategory_of(pairs[row])) for row in self.rows]
        self.asks = [_ASKS.get(pairs[row].subcategory) for row in self.rows]
        self._judged: dict[str, _Judged] = {}

    def of_clips(self, values: Sequence[T]) -> list[T]:
        """Of one value for every pair, those of the judged clips."""
        return [values[row] for row in self.rows]

    def judge(self, name: str, motions: Sequence[NDArray[np.float32]]) -> None:
        """Judge one motion ``(n, 263)`` for every judged clip, in their order; call again with further ones.

        One too short to be judged is held at its end.
        """
        verdicts = [judge_motion(motion) for motion in motions]
        self.enter(name, right_answers(self.truths, verdicts))
        self._judged[name].verdicts.append(verdicts)

    def enter(self, name: str, right: NDArray[np.float64]) -> None:
        """Enter right answers ``(clips, questions)`` that come without motions; see :func:`right_answers`."""
        self._judged.setdefault(name, _Judged()).right.append(right)

    @property
    def judged(self) -> set[str]:
        """Names of what was judged or entered."""
        return set(self._judged)

    def right(self, name: str) -> NDArray[np.float64]:
        """``(clips, questions)``: of each clip the share of its reactions that is right, NaN where none applies."""
        return np.asarray(np.mean(self._judged[name].right, axis=0))

    def result(self) -> Plausibility | None:
        """What was found; None where no right answer is known."""
        if not self.rows:
            return None
        every = np.arange(len(self.rows))
        kinds = dict.fromkeys(kind.asks for kind in INTERACTIONS if kind.asks in self.asks)
        broad, sub = zip(*self.categories, strict=True)
        answers = {name: self._answers(name, every) for name in ROWS if name in self._judged}
        categories = self._generated_by(broad, sorted(set(broad))) | self._generated_by(sub, sorted(set(sub)))
        return Plausibility(
            answers, self._generated_by(self.asks, kinds), categories, uniform_guess(self.truths)
        )

    def _generated_by(self, groups: Sequence[str | None], names: Iterable[str]) -> dict[str, Answers]:
        """The model's reactions to the clips of each group; ``groups`` are those of all clips."""
        if "generated" not in self._judged:
            return {}
        found = {name: [row for row, group in enumerate(groups) if group == name] for name in names}
        return {name: self._answers("generated", np.array(rows)) for name, rows in found.items()}

    def _answers(self, name: str, rows: NDArray[np.int64]) -> Answers:
        judged = self._judged[name]
        confusion: dict[str, Counter[str]] = {}
        for verdicts in judged.verdicts:
            for row in rows:
                confusion.setdefault(self.truths[row].reaction, Counter())[verdicts[row].reaction] += 1
        return Answers(
            reactions=len(judged.right),
            shares=shares_of(self.right(name)[rows]),
            confusion={truth: _shares(counts) for truth, counts in sorted(confusion.items())},
        )


def judge_motion(motion: Motion) -> Verdict:
    """What a motion ``(n, 263)`` is; one too short for the judge is held at its end."""
    return judge(vectors_to_joints(cut_or_hold(motion, max(len(motion), SHORTEST_FRAMES))))


def subcategory_of(pair: Pair) -> str:
    """Its subcategory with the broad category before it: names of subcategories may repeat."""
    return f"{pair.broad}/{pair.subcategory}"


def is_subcategory(group: str) -> bool:
    """Whether a group of pairs is a :func:`subcategory_of` some pair."""
    return "/" in group


def right_answers(truths: Sequence[Truth], verdicts: Sequence[Verdict]) -> NDArray[np.float64]:
    """Whether each verdict answers each question rightly: ``(n, questions)``, NaN where a question does not apply."""
    checked = [rightness(truth, verdict) for truth, verdict in zip(truths, verdicts, strict=True)]
    right = [[float(check.get(question, np.nan)) for question in QUESTIONS] for check in checked]
    return np.array(right).reshape(-1, len(QUESTIONS))


def shares_of(right: NDArray[np.float64]) -> dict[str, Share]:
    """By question, the share of the clips to which it applies; ``right`` as of :func:`right_answers`."""
    applies = ~np.isnan(right)
    return {
        question: share_of(right[applies[:, column], column].tolist())
        for column, question in enumerate(QUESTIONS)
        if applies[:, column].any()
    }


def uniform_guess(truths: Sequence[Truth]) -> dict[str, float]:
    """What guessing each of the reactions that occur, and each side, equally often gets right; by question."""
    uniform = {"reaction": 1 / len({truth.reaction for truth in truths})}
    return uniform | ({"side": 0.5} if any(truth.side != "none" for truth in truths) else {})


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


def _shares(counts: Counter[str]) -> dict[str, float]:
    return {name: count / counts.total() for name, count in sorted(counts.items())}
