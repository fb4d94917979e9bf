"""What the page tells, whether it comes from a training set or from a cache."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hero_core.view.document import ShownTable


@dataclass(frozen=True, slots=True)
class Entry:
    """A motion, with the video that it answers where that is known. There may be many: they hold no arrays.

    Attributes:
        key: differs from those of the others.
        title: its subcategory, or its name.
        category: what it can be found by.
        group: its category to the finest, of which there are many entries.
        split: empty in a cache.
        numbers: by measure.
        facts: names and values in words.
        video: path from the root of the source; None where there is none.
    """

    key: str
    title: str
    category: str
    group: str
    split: str
    numbers: Mapping[str, float]
    facts: Sequence[tuple[str, str]] = ()
    video: str | None = None


class Drawn(NamedTuple):
    """What is drawn of an entry: ``vectors (n, 263)``, when its video was sampled, and when a reaction is due."""

    vectors: NDArray[np.float32]
    sampled_seconds: Sequence[float] = ()
    moment_seconds: float | None = None


@dataclass(frozen=True)
class Contents:
    """A training set or a cache, in numbers.

    Attributes:
        name: of the data set.
        noun: what an entry is, in the plural.
        entries: all of them.
        draw: reads what is drawn of the entry at an index.
        before: tables about all of it, the most important one first.
        after: further ones.
        notes: what else is to be known, one line each.
    """

    name: str
    noun: str
    entries: Sequence[Entry]
    draw: Callable[[int], Drawn]
    before: Sequence[ShownTable]
    after: Sequence[ShownTable] = ()
    notes: Sequence[str] = field(default_factory=tuple)
