"""Entries of a made-up data set."""

import numpy as np

from hero_core.motion.humanml3d import joints_to_vectors
from hero_core.view.document import ShownTable
from pipeline.data_page.contents import Contents, Drawn, Entry
from tests.pipeline.conftest import standing_motion

VECTORS = joints_to_vectors(standing_motion(41, 3))


def entry(index: int, subcategory: str = "wave", split: str = "train", **numbers: float) -> Entry:
    known = {"seconds": 2.0, "head": 60.0, "floor": 0.0, "speed": 1.0, **numbers}
    return Entry(
        key=f"pair-{index}",
        title=subcategory,
        category="human-human",
        group=f"human-human / {subcategory}",
        split=split,
        numbers=known,
        facts=[("Pair", f"pair-{index}")],
        video=f"{index}.mp4",
    )


def contents(entries: list[Entry]) -> Contents:
    counts = ShownTable("Counts", ["", "pairs"], [["all", str(len(entries))]])
    return Contents("Toy", "pairs", entries, lambda index: Drawn(np.asarray(VECTORS), [0.1, 1.9]), [counts])
