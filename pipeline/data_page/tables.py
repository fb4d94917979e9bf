"""Tables of a whole set: spread of every measure, lengths, categories, and what was refused and why."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hero_core.records import SPLITS
from hero_core.view.document import ShownTable
from pipeline.data_page.contents import Entry
from pipeline.data_page.measures import MEASURES
from pipeline.data_page.outliers import OUTLIER, distances

_BARS = "▁▂▃▄▅▆▇█"
_BINS = 16
_ROWS = 100  # of a table; what is more is counted in its note
_FILES = 3
_EQUAL_SECONDS = 0.25  # a motion this near to its video's length is as long as it
_NUMBER = re.compile(r"(?<![A-Za-z\d])\d+(\.\d+)?")


class Refused(NamedTuple):
    """An input that cannot be used, and how many pairs that cost; None where that is not known."""

    path: str
    reason: str
    pairs: int | None = None


def measures_table(entries: Sequence[Entry]) -> ShownTable:
    """Of every measure where most entries lie, how they are spread, and how many are far from the rest."""
    rows, notes = [], []
    for measure in MEASURES:
        values = np.array([entry.numbers.get(measure.name, np.nan) for entry in entries])
        known = values[np.isfinite(values)]
        if not len(known):
            continue
        shown = [measure.text(value) for value in np.quantile(known, (0, 0.01, 0.5, 0.99, 1)).tolist()]
        far = int((distances(known, measure.matters) > OUTLIER).sum())
        rows.append([measure.label, *shown, spark(known), str(far)])
        notes.append(f"{measure.metric.label}: {measure.explained}")
    columns = ["", "least", "1 %", "median", "99 %", "most", "from least to most", "outliers"]
    far_away = (
        f"outliers: more than {OUTLIER} robust standard deviations from the median (Iglewicz and Hoaglin)"
    )
    return ShownTable("Motions", columns, rows, ["; ".join([*notes, far_away])])


def lengths_table(entries: Sequence[Entry]) -> ShownTable:
    """How many entries are how many seconds long, by split."""
    splits = _splits(entries)
    seconds = np.array([int(entry.numbers["seconds"]) for entry in entries])
    of_splits = np.array([entry.split for entry in entries])
    counts = {
        split: np.bincount(seconds[of_splits == split], minlength=seconds.max() + 1) for split in splits
    }
    whole = sum(counts.values(), np.zeros(seconds.max() + 1, np.int64))
    rows = [
        [
            f"{second} to {second + 1} s",
            *_cells(counts, second),
            str(whole[second]),
            bar(whole[second], whole.max()),
        ]
        for second in range(len(whole))
    ]
    return ShownTable("Lengths", ["", *filter(None, splits), "all", ""], rows)


def against_video_table(entries: Sequence[Entry]) -> ShownTable | None:
    """How many motions are shorter and longer than their videos; None where none has a video."""
    longer = np.array([entry.numbers["longer"] for entry in entries if "longer" in entry.numbers])
    if not len(longer):
        return None
    edges = (-np.inf, -2, -1, -_EQUAL_SECONDS, _EQUAL_SECONDS, 1, 2, np.inf)
    names = (
        "more than 2 s shorter",
        "1 to 2 s shorter",
        f"{_EQUAL_SECONDS:g} to 1 s shorter",
        f"as long (within {_EQUAL_SECONDS:g} s)",
        f"{_EQUAL_SECONDS:g} to 1 s longer",
        "1 to 2 s longer",
        "more than 2 s longer",
    )
    counts, _ = np.histogram(longer, edges)
    rows = [
        [name, str(count), f"{100 * count / len(longer):.1f} %", bar(count, counts.max())]
        for name, count in zip(names, counts.tolist(), strict=True)
    ]
    return ShownTable("Motions against their videos", ["the motion is", "pairs", "", ""], rows)


def categories_table(entries: Sequence[Entry], noun: str) -> ShownTable:
    """How many entries each category has, by split, with its median length; the largest first."""
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.group].append(entry)
    splits = [split for split in _splits(entries) if split]
    largest = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    most = len(largest[0][1])
    rows = []
    for name, members in largest[:_ROWS]:
        found = Counter(entry.split for entry in members)
        median = float(np.median([entry.numbers["seconds"] for entry in members]))
        parts = [str(found[split]) for split in splits]
        rows.append([name, *parts, str(len(members)), f"{median:.1f} s", bar(len(members), most)])
    columns = ["", *splits, noun, "median length", ""]
    return ShownTable("Categories", columns, rows, _left_out(len(largest), "categories"))


def refused_table(refused: Iterable[Refused], title: str, everything_in: str) -> ShownTable | None:
    """Reasons, alike but for their numbers, the commonest first, with the first files; None where there are none."""
    alike: dict[str, list[Refused]] = defaultdict(list)
    for each in refused:
        alike[_NUMBER.sub("#", each.reason)].append(each)
    if not alike:
        return None
    rows = []
    commonest = sorted(alike.values(), key=lambda group: -len(group))
    for group in commonest[:_ROWS]:
        files = ", ".join(each.path for each in group[:_FILES]) + (", ..." if len(group) > _FILES else "")
        pairs = None if group[0].pairs is None else sum(each.pairs or 0 for each in group)
        rows.append([group[0].reason, str(len(group)), *([] if pairs is None else [str(pairs)]), files])
    lost = [] if commonest[0][0].pairs is None else ["pairs lost"]
    notes = [*_left_out(len(alike), "reasons"), *([f"All of them: {everything_in}"] if everything_in else [])]
    return ShownTable(title, ["reason", "inputs", *lost, "files"], rows, notes)


def spark(values: NDArray[np.float64]) -> str:
    """How numbers are spread between the least and the largest, as a row of bars; nothing where all are the same."""
    if values.min() == values.max():
        return ""
    counts, _ = np.histogram(values, _BINS)
    heights = np.ceil((len(_BARS) - 1) * counts / counts.max()).astype(int)  # 0 where there are none
    return "".join(_BARS[height] for height in heights)


def bar(count: int, most: int) -> str:
    """A bar of up to twelve blocks, one at least for what is not nothing."""
    return "█" * int(np.ceil(12 * count / max(most, 1)))


def _cells(counts: Mapping[str, NDArray[np.int64]], row: int) -> list[str]:
    return [str(counted[row]) for split, counted in counts.items() if split]


def _splits(entries: Sequence[Entry]) -> list[str]:
    """Those that occur, in the usual order; an empty one is a cache's, which has none."""
    found = {entry.split for entry in entries}
    return [split for split in (*SPLITS, "") if split in found]


def _left_out(count: int, what: str) -> list[str]:
    return [f"The {_ROWS} commonest of {count} {what}."] if count > _ROWS else []
