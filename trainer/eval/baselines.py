"""Answers without a generator, fitted on the training clips: what a reaction model has to beat.

The best constant answer, a linear classifier on the clip's global feature, and the nearest training clip. Features and
answers of the training clips are held; their motions are read when one is chosen.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from hero_core.minivimo.judge import Verdict
from hero_core.minivimo.questions import ONSET_TOLERANCE_SECONDS, QUESTIONS, is_judged
from hero_core.records import FeatureRecord, Side, Truth
from hero_core.training_set import Sample, TrainingSet
from trainer.eval.plausibility import PlausibilityCheck, right_answers
from trainer.reactions import Motion, cut_or_hold

Array = NDArray[np.float64]
T = TypeVar("T")
Label = tuple[str, Side]  # right reaction and side


class KnownPairs(NamedTuple):
    """Pairs of which the baselines may learn: to fit on, and to choose on."""

    train: Sequence[Sample]
    validation: Sequence[Sample]

    @classmethod
    def of(cls, data: TrainingSet) -> "KnownPairs":
        """Those of a training set that have a video."""
        return cls(data.train().with_video(), data.validation().with_video())


PENALTIES = np.logspace(-3, 6, 19)
"""Of the squared weights, in units of one standardised training clip."""


@dataclass(frozen=True)
class KnownClips:
    """Clips whose right answers are known, and the motions that go with them.

    Attributes:
        samples: where the motions are.
        features: ``(n, d)``, the global feature of every clip.
        labels: of every clip; none of :meth:`unlabelled` ones.
        truths: of every motion; none of :meth:`unlabelled` ones.
        clips: of every motion, which of the ``n`` clips it fits.
        places: of every motion, where it is in ``samples``.
        lengths: of every motion, in frames.
    """

    samples: Sequence[Sample]
    features: Array
    labels: list[Label]
    truths: list[Truth]
    clips: list[int]
    places: list[int]
    lengths: list[int]

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "KnownClips":
        """Those of the samples; there may be none."""
        found = cls(samples, np.empty((0, 0)), [], [], [], [], [])
        numbers: dict[str, int] = {}
        features: list[NDArray[np.floating]] = []
        for place in range(len(samples)):
            pair, _, video = samples[place]
            if video is None or pair.clip_key is None or pair.truth is None or not is_judged(pair.truth):
                continue
            if pair.clip_key not in numbers:
                numbers[pair.clip_key] = len(numbers)
                features.append(video.global_feature)
                found.labels.append(_label(pair.truth))
            found.truths.append(pair.truth)
            found.clips.append(numbers[pair.clip_key])
            found.places.append(place)
            found.lengths.append(pair.length)
        return replace(found, features=np.stack(features).astype(np.float64)) if features else found

    @classmethod
    def unlabelled(cls, samples: Sequence[Sample]) -> "KnownClips":
        """All clips of samples that have videos, whether or not the right answers are known."""
        found = cls(samples, np.empty((0, 0)), [], [], [], [], [])
        numbers: dict[str, int] = {}
        features: list[FeatureRecord] = []
        for place in range(len(samples)):
            pair, _, video = samples[place]
            if video is None or pair.clip_key is None:
                continue
            if pair.clip_key not in numbers:
                numbers[pair.clip_key] = len(numbers)
                features.append(video)
            found.clips.append(numbers[pair.clip_key])
            found.places.append(place)
            found.lengths.append(pair.length)
        return replace(found, features=_features(features))

    def motion(self, chosen: Sequence[int], length: int, rng: np.random.Generator) -> Motion:
        """Of the ``chosen`` motions the one that loses least, cut to ``length`` frames; of equal ones, any.

        Where all are shorter, the longest, which then holds its last pose.
        """
        frames = np.array([self.lengths[motion] for motion in chosen])
        enough = frames[frames >= length]
        best = enough.min() if len(enough) else frames.max()
        drawn = chosen[int(rng.choice(np.flatnonzero(frames == best)))]
        return cut_or_hold(self.samples[self.places[drawn]].motion, length)


@dataclass(frozen=True)
class Constant:
    """The answers that are right most often on the training motions.

    Attributes:
        each: holds the best answer to every single question.
        together: the best for all questions at a time.
    """

    each: Verdict
    together: Verdict

    @classmethod
    def fit(cls, truths: Sequence[Truth]) -> "Constant":
        """Fit to one or more right answers."""
        reaction = _commonest([truth.reaction for truth in truths])
        sides: list[Side] = [truth.side for truth in truths if truth.side != "none"] or ["none"]
        side = _commonest(sides)
        each = Verdict(reaction, side, _best_onset(truths))
        candidates = []
        for label in dict.fromkeys(map(_label, truths)):
            verdict = Verdict(*label, _best_onset([truth for truth in truths if _label(truth) == label]))
            right = right_answers(truths, [verdict] * len(truths))[:, list(QUESTIONS).index("all")]
            candidates.append((float(right.mean()), verdict))
        return cls(each, max(candidates, key=lambda candidate: candidate[0])[1])

    def rightness(self, truths: Sequence[Truth]) -> Array:
        """``(n, questions)`` as :func:`trainer.eval.plausibility.right_answers`."""
        right = right_answers(truths, [self.each] * len(truths))
        every = list(QUESTIONS).index("all")
        right[:, every] = right_answers(truths, [self.together] * len(truths))[:, every]
        return right


@dataclass(frozen=True)
class Scaler:
    """Mean and deviation ``(d,)`` of the training clips' features."""

    mean: Array
    deviation: Array

    @classmethod
    def fit(cls, features: Array) -> "Scaler":
        """Fit to ``(n, d)``; a value that never changes is left out of everything."""
        deviation = features.std(axis=0)
        return cls(features.mean(axis=0), np.where(deviation > 0, deviation, np.inf))

    def __call__(self, features: Array) -> Array:
        """``(m, d)``, standardised."""
        return np.asarray((features - self.mean) / self.deviation)


@dataclass(frozen=True)
class Ridge:
    """A linear classifier by least squares on one-hot targets with a penalty, in closed form.

    Attributes:
        weights: ``(d, classes)`` of standardised features.
        bias: ``(classes,)``.
    """

    labels: list[Label]
    weights: Array
    bias: Array
    penalty: float

    @classmethod
    def fit(
        cls, features: Array, labels: Sequence[Label], val_features: Array, val_labels: Sequence[Label]
    ) -> "Ridge":
        """Fit to standardised ``features (n, d)``, with the penalty that is right most often on the ``val`` ones.

        Of equally good penalties the largest.
        """
        classes = sorted(set(labels))
        targets = np.array([[label == one for one in classes] for label in labels], np.float64)
        bias = targets.mean(axis=0)  # features have mean zero
        left, scales, right = np.linalg.svd(features, full_matrices=False)
        turned = left.T @ (targets - bias)  # (k, classes)
        best, best_right = None, -1
        for penalty in PENALTIES[::-1].tolist():
            weights = right.T @ ((scales / (scales**2 + penalty))[:, None] * turned)
            ridge = cls(classes, weights, bias, penalty)
            hits = sum(a == b for a, b in zip(ridge(val_features), val_labels, strict=True))
            if hits > best_right:
                best, best_right = ridge, hits
        assert best is not None
        return best

    def __call__(self, features: Array) -> list[Label]:
        """The likeliest class of standardised ``features (m, d)``."""
        return [self.labels[row] for row in np.argmax(features @ self.weights + self.bias, axis=1)]


@dataclass(frozen=True)
class Baselines:
    """Everything that is fitted on the training clips."""

    train: KnownClips
    constant: Constant
    scaler: Scaler
    ridge: Ridge

    @classmethod
    def fit(cls, train: Sequence[Sample], validation: Sequence[Sample]) -> "Baselines | None":
        """Fit on ``train``, with the classifier's penalty chosen on ``validation``.

        Returns:
            None where either knows no right answers.
        """
        known, val = KnownClips.of(train), KnownClips.of(validation)
        if not known.labels or not val.labels:
            return None
        scaler = Scaler.fit(known.features)
        ridge = Ridge.fit(scaler(known.features), known.labels, scaler(val.features), val.labels)
        return cls(known, Constant.fit(known.truths), scaler, ridge)

    def by_class(
        self, videos: Sequence[FeatureRecord], lengths: Sequence[int], rng: np.random.Generator
    ) -> list[Motion]:
        """For every video a training motion of the class that its global feature is put into."""
        return self.motions_of_class(_features(videos), lengths, rng)

    def motions_of_class(
        self, features: Array, lengths: Sequence[int], rng: np.random.Generator
    ) -> list[Motion]:
        """The same for global features ``(m, d)``."""
        of_label: dict[Label, list[int]] = {}
        for motion, truth in enumerate(self.train.truths):
            of_label.setdefault(_label(truth), []).append(motion)
        labels = self.ridge(self.scaler(features))
        return [
            self.train.motion(of_label[label], length, rng)
            for label, length in zip(labels, lengths, strict=True)
        ]

    def nearest(
        self, videos: Sequence[FeatureRecord], lengths: Sequence[int], rng: np.random.Generator
    ) -> list[Motion]:
        """For every video a motion of the training clip with the most similar (cosine) standardised feature."""
        return nearest_motions(self.train, self.scaler, _features(videos), lengths, rng)

    def judge(
        self, check: PlausibilityCheck, videos: Sequence[FeatureRecord], lengths: Sequence[int], seed: int
    ) -> None:
        """Enter the rows ``constant``, ``classifier`` and ``nearest`` for the judged clips."""
        check.enter("constant", self.constant.rightness(check.truths))
        check.judge("classifier", self.by_class(videos, lengths, np.random.default_rng([seed, 0])))
        check.judge("nearest", self.nearest(videos, lengths, np.random.default_rng([seed, 1])))


def nearest_motions(
    clips: KnownClips, scaler: Scaler, features: Array, lengths: Sequence[int], rng: np.random.Generator
) -> list[Motion]:
    """For each of ``features (m, d)`` a motion of the clip with the most similar (cosine) standardised feature."""
    of_clip: dict[int, list[int]] = {}
    for motion, clip in enumerate(clips.clips):
        of_clip.setdefault(clip, []).append(motion)
    similar = _unit(scaler(features)) @ _unit(scaler(clips.features)).T  # (m, n)
    return [
        clips.motion(of_clip[clip], length, rng)
        for clip, length in zip(np.argmax(similar, axis=1).tolist(), lengths, strict=True)
    ]


def _features(videos: Sequence[FeatureRecord]) -> Array:
    return np.stack([video.global_feature for video in videos]).astype(np.float64)  # (m, d)


def _label(truth: Truth) -> Label:
    return truth.reaction, truth.side


def _commonest(values: Sequence[T]) -> T:
    return Counter(values).most_common(1)[0][0]


def _best_onset(truths: Sequence[Truth]) -> float:
    """The second that is within the tolerance of most onsets; 0 where nothing moves."""
    onsets = np.sort([truth.onset_seconds for truth in truths if truth.moves])
    if not len(onsets):
        return 0.0
    ends = np.searchsorted(onsets, onsets + 2 * ONSET_TOLERANCE_SECONDS, side="right")
    first = int(np.argmax(ends - np.arange(len(onsets))))
    return float(onsets[first] + onsets[ends[first] - 1]) / 2


def _unit(vectors: Array) -> Array:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float64).tiny))
