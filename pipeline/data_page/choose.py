"""Which entries a page shows when it cannot show all: half the most unusual ones, half drawn from all categories."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from pipeline.data_page.contents import Entry


def choose(entries: Sequence[Entry], scores: Sequence[float], count: int, seed: int) -> list[int]:
    """Indices of at most ``count`` entries, the most unusual and the drawn ones in turn, so that any beginning is fair.

    Args:
        entries: to choose from.
        scores: how unusual each is.
        count: how many at most.
        seed: of those that are drawn, in equal shares of the categories as far as these go.
    """
    unusual = np.argsort(-np.asarray(scores), kind="stable")[: (count + 1) // 2].tolist()
    drawn = _in_turn(entries, set(unusual), np.random.default_rng([seed]))[: count - len(unusual)]
    merged = [index for both in zip(unusual, drawn, strict=False) for index in both]
    return [*merged, *unusual[len(drawn) :], *drawn[len(unusual) :]]


def _in_turn(entries: Sequence[Entry], taken: set[int], rng: np.random.Generator) -> list[int]:
    """All that are not taken: one of every category, in random order, then a second of every category, and so on."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index in rng.permutation(len(entries)).tolist():
        if index not in taken:
            groups[entries[index].group].append(index)
    turns = [(turn, index) for members in groups.values() for turn, index in enumerate(members)]
    return [index for _, index in sorted(turns, key=lambda each: each[0])]
