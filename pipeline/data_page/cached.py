"""A cache in numbers. It does not know which motion answers which video, so motions stand alone."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from hero_core.cache import KINDS, OK, Cache, Row
from hero_core.errors import InputError
from hero_core.motion.format import FPS
from hero_core.progress import Progress, silent
from hero_core.view.document import ShownTable
from pipeline.data_page.contents import Contents, Drawn, Entry
from pipeline.data_page.measures import measure
from pipeline.data_page.tables import Refused, refused_table

_WORDS = {"features": "videos", "motions": "motions"}
_COLUMNS = ("key", "path", "status", "stage", "reason", "warnings", "frames", "fps")


def contents_of_cache(cache: Cache, report: Progress = silent) -> Contents:
    """Read every motion of a cache once.

    Args:
        cache: what ``hero-pipeline extract`` wrote.
        report: told how many motions are measured.

    Raises:
        InputError: it holds no motions. ShardError: a shard is damaged or missing. ManifestError: so is a manifest.
    """
    rows = [row for row in cache.newest("motions").to_pylist() if row["status"] == OK]
    if not rows:
        raise InputError(f"{cache.folder}: holds no motions, and a page of videos alone would show nothing")
    entries = []
    for number, row in enumerate(rows):
        entries.append(_entry(row, measure(cache.motion(row).vectors)))
        report(number + 1, len(rows))
    inputs = {_WORDS[kind]: cache.newest(kind, _COLUMNS).to_pylist() for kind in KINDS}
    everything = [row for of_kind in inputs.values() for row in of_kind]
    refused = refused_table(_refused(everything), "In quarantine", cache.quarantine_path.name)
    odd = refused_table(_warned(everything), "Warnings", "")
    return Contents(
        name=str(cache.folder.absolute().name),
        noun="motions",
        entries=entries,
        draw=lambda index: Drawn(cache.motion(rows[index]).vectors),
        before=[counts_table(inputs)],
        after=[table for table in (refused, odd) if table is not None],
        notes=[f"A cache of {cache.description['source'].get('opened', 'a source')}."],
    )


def counts_table(inputs: Mapping[str, Sequence[Mapping[str, Any]]]) -> ShownTable:
    """Of each kind of input how many are there and how many are refused, and how long those that are there are."""
    table = []
    for word, rows in inputs.items():
        ok = [row for row in rows if row["status"] == OK]
        seconds = [row["frames"] / (row["fps"] or FPS) for row in ok if row["frames"]]
        lengths = [f"{value:.1f}" for value in np.quantile(seconds, (0, 0.5, 1))] if seconds else ["", "", ""]
        counts = Counter(row["status"] == OK for row in rows)
        table.append([word, str(counts[True]), str(counts[False]), f"{sum(seconds) / 60:.1f}", *lengths])
    columns = ["", "ok", "in quarantine", "minutes", "shortest (s)", "median (s)", "longest (s)"]
    return ShownTable("Inputs", columns, table)


def _entry(row: Row, numbers: dict[str, float]) -> Entry:
    path = PurePosixPath(row["path"])
    folder = str(path.parent)
    length = f"{row['frames']} frames at {FPS} fps, {row['frames'] / FPS:.2f} s"
    facts = [("Motion", row["path"]), ("Length", length), *(("Warning", each) for each in row["warnings"])]
    return Entry(row["key"], path.name, folder, folder, "", numbers, facts)


def _refused(rows: Sequence[Mapping[str, Any]]) -> Iterator[Refused]:
    for row in rows:
        if row["status"] != OK:
            yield Refused(row["path"], f"{row['stage']}: {row['reason']}")


def _warned(rows: Sequence[Mapping[str, Any]]) -> Iterator[Refused]:
    for row in rows:
        if row["status"] == OK:
            yield from (Refused(row["path"], warning) for warning in row["warnings"])
