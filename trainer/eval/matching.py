"""How well a motion tells its video from others: R-precision and multimodal distance (Guo et al., CVPR 2022).

A motion is compared with its own video and 31 others. The field draws these others at random; here every number is the
exact mean over all draws, so that nothing of it is chance, and clips can be compared one by one.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import hypergeom

from hero_core.records import Pair
from trainer.metrics import Array, Indices

POOL = 32
"""A motion's own video and so many less one others."""
TOPS = (1, 2, 3)
_BLOCK = 256


class Pools(NamedTuple):
    """Which videos each motion can be compared with.

    Attributes:
        own: ``(n,)``, the clip of each pair.
        fitting: of each pair, the clips that its motion answers, its own among them; never in its pool as others.
        size: videos in a pool, its own included.
        others: ``(n,)``, how many clips there are to draw the others from.
    """

    own: Indices
    fitting: Sequence[Indices]
    size: int
    others: Indices

    @classmethod
    def of(cls, pairs: Sequence[Pair], clips: Sequence[str]) -> "Pools":
        """Of pairs whose clips are among ``clips``: of 32 videos, or of as many as every pair has others for."""
        number = {clip: place for place, clip in enumerate(clips)}
        answered: dict[str | None, set[int]] = {}
        for pair in pairs:
            answered.setdefault(pair.motion_key, set()).add(number[str(pair.clip_key)])
        own = np.array([number[str(pair.clip_key)] for pair in pairs])
        fitting = [np.array(sorted(answered[pair.motion_key])) for pair in pairs]
        others = np.array([len(clips) - len(each) for each in fitting])
        return cls(own, fitting, min(POOL, 1 + int(others.min())), others)


def match(motions: NDArray[np.floating], videos: NDArray[np.floating], pools: Pools) -> dict[str, Array]:
    """R-precision and multimodal distance of each motion.

    Args:
        motions: embeddings ``(n, d)``, one for each pair.
        videos: embeddings ``(c, d)``, one for each clip.
        pools: of these pairs and clips, of two videos or more.

    Returns:
        ``(n,)`` by name: ``r_precision_1``, ``_2`` and ``_3``, the share of all pools in which the motion's own video
        is among the one, two, three nearest (of equally near ones it is the last); and ``mm_distance`` to it.
    """
    own, nearer = np.empty(len(motions)), np.empty(len(motions), np.int64)
    for rows, distances in _distances(motions, videos):
        for row, to_videos in zip(rows, distances, strict=True):
            own[row] = to_videos[pools.own[row]]
            to_videos[pools.fitting[row]] = np.inf
            nearer[row] = np.count_nonzero(to_videos <= own[row])
    drawn = pools.size - 1
    found = {
        f"r_precision_{top}": np.asarray(hypergeom.cdf(top - 1, pools.others, nearer, drawn)) for top in TOPS
    }
    return {**found, "mm_distance": own}


def by_chance(pool: int) -> dict[str, float]:
    """R-precision of motions that say nothing of their videos; by name."""
    return {f"r_precision_{top}": min(1.0, top / pool) for top in TOPS}


def _distances(motions: NDArray[np.floating], videos: NDArray[np.floating]) -> Iterator[tuple[range, Array]]:
    """Distances ``(k, c)`` of some rows of motions after others from all videos."""
    for start in range(0, len(motions), _BLOCK):
        rows = range(start, min(start + _BLOCK, len(motions)))
        yield rows, cdist(motions[rows.start : rows.stop], videos)
