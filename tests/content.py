"""All that is read of a cache, and of a training set, to be compared."""

from pathlib import Path
from typing import Any

from hero_core.cache import KINDS, Cache
from hero_core.training_set import TrainingSet


def cache_content(folder: Path) -> list[Any]:
    cache = Cache.open(folder)
    content: list[Any] = [{**cache.description, "seal": None}, cache.provenances()]
    for kind in KINDS:
        for row in cache.rows(kind).values():
            record = (
                None
                if row["status"] != "ok"
                else cache.features(row)
                if kind == "features"
                else cache.motion(row)
            )
            content += [row, record and record.arrays()]
    return content


def set_content(folder: Path) -> list[Any]:
    data = TrainingSet(folder)
    statistics = data.statistics()
    content: list[Any] = [{**data.description, "seal": None}, statistics.mean, statistics.std]
    for sample in (*data.train(), *data.validation(), *data.held_out("test")):
        content += [sample.pair, sample.motion, sample.video.arrays()]
    return content
