"""Train an evaluator of our own: motions and the videos that they answer get nearby embeddings.

The official evaluator comes ready-made with its release (``hero-train import-official``). Where that one is not to
be had, or does not fit the data, this is the same network with the loss of Guo et al. (2022), whose text encoder is
replaced by one for video features.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hero_core.batch import Batch
from hero_core.models.evaluator import MotionEvaluator
from hero_core.models.features import VideoFeatures
from trainer.data import PairTable
from trainer.loader import PairBatches
from trainer.tasks.tokens import mean_over_samples


class VideoEncoder(nn.Module):
    """A bidirectional GRU over the frame features; only training needs it."""

    def __init__(self, feature_dim: int, hidden: int, embedding_dim: int) -> None:
        super().__init__()
        self.input = nn.Sequential(nn.LayerNorm(feature_dim), nn.Linear(feature_dim, hidden))
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.output = nn.Sequential(nn.LayerNorm(2 * hidden), nn.Linear(2 * hidden, embedding_dim))

    def forward(self, condition: VideoFeatures) -> Tensor:
        """Embeddings of videos, ``(b, embedding_dim)``."""
        _, final = self.gru(self.input(condition.frames))  # (2, b, hidden)
        embedding: Tensor = self.output(torch.cat((final[0], final[1]), dim=-1))
        return embedding


class Matching(nn.Module):
    """The two encoders that are trained against each other."""

    def __init__(self, motion: MotionEvaluator, feature_dim: int) -> None:
        super().__init__()
        self.motion = motion
        self.video = VideoEncoder(feature_dim, motion.config.motion_hidden, motion.config.embedding_dim)


class EvaluatorTask:
    """The evaluator. The best one has the lowest matching loss on the validation pairs."""

    metric = "total"

    def __init__(
        self,
        model: Matching,
        train: PairBatches,
        validation: PairBatches,
        related: "Relations",
        margin: float,
        device: torch.device,
    ) -> None:
        self.module = model.to(device)
        self._train = train
        self._validation = validation
        self._related = related
        self._margin = margin
        self._device = device
        self.steps_per_epoch = train.order.steps_per_epoch

    def batches(self, start_step: int) -> Iterator[Batch]:
        """Pairs."""
        for batch in self._train.train(start_step):
            yield batch.to(self._device)

    def losses(self, batch: Batch, rng: torch.Generator) -> Mapping[str, Tensor]:
        """The matching loss; dropout apart, it draws nothing."""
        motion = self.module.motion.embed(batch.motion, batch.lengths)  # (b, d)
        video = self.module.video(batch.condition)  # (b, d)
        return matching_losses(motion, video, self._related.matrix(batch.keys).to(self._device), self._margin)

    def validate(self) -> Mapping[str, float]:
        """The same loss on whole validation motions."""
        rng = torch.Generator(self._device)
        batches = (batch.to(self._device) for batch in self._validation.whole())
        return mean_over_samples((len(batch.keys), self.losses(batch, rng)) for batch in batches)

    def save(self, folder: Path, metadata: Mapping[str, Any]) -> None:
        """Write the motion encoder's checkpoint folder."""
        self.module.motion.save(folder, metadata)


class Relations:
    """Which pairs are no counter-examples of each other, because they share the video or the motion."""

    def __init__(self, *tables: PairTable) -> None:
        self._pairs = {row.pair.key: row.pair for table in tables for row in table.rows}

    def matrix(self, keys: Sequence[str]) -> Tensor:
        """``(b, b)`` bool, True where row and column share the video or the motion."""
        pairs = [self._pairs[key] for key in keys]
        return torch.tensor(
            [[a.clip_key == b.clip_key or a.motion_key == b.motion_key for b in pairs] for a in pairs]
        )


def matching_losses(motion: Tensor, video: Tensor, related: Tensor, margin: float) -> dict[str, Tensor]:
    """Contrastive loss (Hadsell et al., 2006): pairs to distance 0, all others to ``margin`` and beyond.

    Args:
        motion: embeddings ``(b, d)``.
        video: embeddings ``(b, d)`` of the same pairs.
        related: ``(b, b)``, True where a motion and a video may be close.
        margin: distance from which counter-examples no longer count.

    Returns:
        ``total`` = ``matched`` + ``mismatched``, and ``accuracy``: how often a motion's nearest video is a related one.
    """
    distances = torch.cdist(
        motion, video, compute_mode="donot_use_mm_for_euclid_dist"
    )  # (b motions, b videos)
    matched = distances.diagonal().square().mean()
    intrusions = F.relu(margin - distances).square()
    mismatched = intrusions[~related].sum() / (~related).sum().clamp(min=1)
    nearest = related.gather(1, distances.argmin(dim=1, keepdim=True))  # (b, 1)
    return {
        "total": matched + mismatched,
        "matched": matched,
        "mismatched": mismatched,
        "accuracy": nearest.float().mean(),
    }
