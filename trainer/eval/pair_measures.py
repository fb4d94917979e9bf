"""What is measured of one motion for every pair, pair by pair: how it moves, and how near it is to its video."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hero_core.models.base import VideoFeatures
from hero_core.models.evaluator import MotionEvaluator
from hero_core.motion.physics import physics
from hero_core.records import FeatureRecord
from hero_core.training_set import Sample
from trainer.eval.matching import Pools, match
from trainer.eval.protocol import Embedded, Embeddings
from trainer.metrics import Array
from trainer.reactions import Motion, embed

JOINT = "joint_"
"""Begins the names of all metrics by the evaluator that sees joints only."""

PairValues = Mapping[str, Array]
"""``(n,)``, one for each pair, by name of the metric; NaN where it does not apply."""


class Measured(NamedTuple):
    """One motion for every pair.

    Attributes:
        embedded: with the embeddings of the first evaluator.
        joint: embeddings ``(n, e)`` of the one that sees joints; None without one.
        values: what each pair has a value of.
    """

    embedded: Embedded
    joint: Embeddings | None
    values: PairValues


class PairMeasures:
    """Measures sets of motions that hold one for every pair.

    Attributes:
        pool: videos that a motion is compared with, its own included; None where no evaluator embeds these videos.
    """

    def __init__(
        self,
        evaluator: MotionEvaluator,
        joint_evaluator: MotionEvaluator | None,
        samples: Sequence[Sample],
        batch_size: int,
        device: torch.device,
    ) -> None:
        """Embed the videos.

        Args:
            evaluator, joint_evaluator: on the device; one that cannot embed the videos matches nothing.
            samples: the pairs, with their videos.
            batch_size: motions or videos that are embedded at a time.
            device: where to compute.
        """
        self._joint_evaluator = joint_evaluator
        self._batch_size, self._device = batch_size, device
        clips = {str(sample.pair.clip_key): sample.video for sample in samples}
        self._pools = Pools.of([sample.pair for sample in samples], list(clips))
        self._videos: dict[str, Embeddings] = {}  # by the prefix of the evaluator's metrics, (clips, d)
        for prefix, network in (("", evaluator), (JOINT, joint_evaluator)):
            if network is not None and self._pools.size > 1 and embeds(network, samples[0].video):
                self._videos[prefix] = self._embed_videos(network, list(clips.values()))
        self.pool = self._pools.size if self._videos else None

    def of(self, embedded: Embedded) -> Measured:
        """Measure one motion for every pair."""
        joint = None
        if self._joint_evaluator is not None:
            joint = embed(self._joint_evaluator, embedded.motions, self._batch_size, self._device)
        values = dict(physical(embedded.motions))
        for prefix, embeddings in (("", embedded.embeddings), (JOINT, joint)):
            if embeddings is not None and prefix in self._videos:
                matches = match(embeddings, self._videos[prefix], self._pools)
                values |= {f"{prefix}{name}": found for name, found in matches.items()}
        return Measured(embedded, joint, values)

    @torch.no_grad()
    def _embed_videos(self, evaluator: MotionEvaluator, videos: Sequence[FeatureRecord]) -> Embeddings:
        batches = (
            VideoFeatures.of(videos[start : start + self._batch_size]).to(self._device)
            for start in range(0, len(videos), self._batch_size)
        )
        return torch.cat([evaluator.embed_videos(batch) for batch in batches]).float().cpu().numpy()


def embeds(evaluator: MotionEvaluator, video: FeatureRecord) -> bool:
    """Whether an evaluator can embed videos of such features."""
    return bool(evaluator.config.feature_dim == video.frames.shape[1])


def physical(motions: Sequence[Motion]) -> PairValues:
    """:class:`hero_core.motion.physics.Physics` of each motion, by name."""
    found = [physics(motion)._asdict() for motion in motions]
    return {name: np.array([each[name] for each in found]) for name in found[0]}


def mean_over_repeats(repeats: Sequence[PairValues]) -> PairValues:
    """Each pair's mean over the repeats in which the metric applies to it."""
    return {name: _mean_of_finite(np.stack([each[name] for each in repeats])) for name in repeats[0]}


def _mean_of_finite(values: NDArray[np.float64]) -> Array:
    """``(repeats, n)`` -> ``(n,)``."""
    applies = np.isfinite(values)
    counts = applies.sum(axis=0)
    sums = np.where(applies, values, 0.0).sum(axis=0)
    return np.asarray(np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0))
