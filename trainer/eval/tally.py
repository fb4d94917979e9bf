"""The numbers of one repeat after another, in every set of pairs."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.eval.intervals import Band
from trainer.eval.pair_measures import JOINT, Measured, PairValues, mean_over_repeats
from trainer.eval.plausibility import is_subcategory
from trainer.eval.protocol import EvaluationConfig, Repeat, Rows
from trainer.eval.scores import (
    REAL,
    BothSides,
    GroupScores,
    Summary,
    around_means,
    embedding_scores,
    over_clips,
    pair_summaries,
    round_trip,
    score,
    summarise,
)


class Tally:
    """Takes repeats, and sums them up.

    Of subcategories, which are many and small, it has no numbers by the evaluator that sees joints, and no means of
    what pairs have values of; these are kept pair by pair.

    Attributes:
        first: the reactions of the first repeat; None before it.
    """

    def __init__(
        self, real: Measured, groups: Mapping[str, Rows], clips: Sequence[Hashable], config: EvaluationConfig
    ) -> None:
        """Begin.

        Args:
            real: the true motions.
            groups: sets of pairs by name, the first of all pairs.
            clips: of every pair.
            config: the protocol.
        """
        self._real, self._groups, self._clips, self._config = real, groups, clips, config
        self._scores: dict[str, list[dict[str, float]]] = {name: [] for name in groups}
        self._values: list[PairValues] = []
        self._spreads: dict[str, Band] = {}
        self._trips: dict[str, dict[str, Summary]] = {}
        self.first: Measured | None = None

    def add(self, repeat: Repeat, made: Measured) -> float:
        """Take a repeat and what was measured of its reactions; returns its FID over all pairs."""
        config, number = self._config, len(self._values)
        joint = self._joint(made)
        rng = np.random.default_rng(
            [config.seed, number, 1]
        )  # the draws of the other metrics stay as they are
        for name, rows in self._groups.items():
            scores = score(repeat, self._real.embedded, rows, self._clips, config)
            if joint is not None and not is_subcategory(name):
                scores |= embedding_scores(joint.of(rows), config, rng, JOINT)
            self._scores[name].append(scores)
        self._values.append(made.values)
        everything, rows = next(iter(self._groups.items()))
        if self.first is None:
            self.first = made
            if config.bootstrap:
                self._spreads = over_clips(repeat, self._real.embedded, rows, self._clips, config, joint)
        return self._scores[everything][-1]["fid"]

    def add_round_trip(self, rebuilt: Measured, errors: Sequence[NDArray[np.float64]]) -> None:
        """Take the true motions after the round trip, and the joint errors of their poses."""
        for name, rows in self._groups.items():
            self._trips[name] = round_trip(self._real, rebuilt, errors, rows, self._clips)
            if not is_subcategory(name):
                self._trips[name] |= pair_summaries([rebuilt.values], rows, self._clips, self._config)

    def groups(self) -> dict[str, GroupScores]:
        """The numbers of every set of pairs, over all repeats."""
        everything = next(iter(self._groups))
        found = {}
        for name, rows in self._groups.items():
            metrics = summarise(self._scores[name], self._config)
            if name == everything:
                metrics = around_means(metrics, self._spreads)
            if not is_subcategory(name):
                metrics |= pair_summaries(self._values, rows, self._clips, self._config)
                real = pair_summaries([self._real.values], rows, self._clips, self._config)
                metrics |= {f"{REAL}{metric}": summary for metric, summary in real.items()}
            found[name] = GroupScores(len(rows), metrics, self._trips.get(name))
        return found

    def values(self) -> PairValues:
        """What each pair has a value of: the mean over the reactions to it."""
        return mean_over_repeats(self._values)

    def _joint(self, made: Measured) -> BothSides | None:
        if self._real.joint is None or made.joint is None:
            return None
        return BothSides(self._real.joint, made.joint, self._clips)
