"""Train an evaluator of our own: motions and the videos that they answer get nearby embeddings.

The official evaluator comes ready-made with its release (``hero-train import-official``). Where that one is not to
be had, or does not fit the data, this is the same network with the loss of Guo et al. (2022), whose text encoder is
replaced by one for video features. Another one, which sees joints only, is trained in the same way.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hero_core.models.base import Batch, TrainingFacts
from hero_core.models.evaluator import MotionEvaluator
from hero_core.training_set import PairRow
from trainer.config import EvaluatorSection

PADDING_FRAMES = 4
"""Behind the longest motion of a batch; the convolutions of the last movement reach no farther."""


class Relations:
    """Which pairs are no counter-examples of each other, because they share the video or the motion."""

    def __init__(self, rows: Iterable[PairRow]) -> None:
        self._pairs = {row.pair.key: row.pair for row in rows}

    def matrix(self, keys: Sequence[str]) -> Tensor:
        """``(b, b)`` bool, True where row and column share the video or the motion."""
        pairs = [self._pairs[key] for key in keys]
        return torch.tensor(
            [[a.clip_key == b.clip_key or a.motion_key == b.motion_key for b in pairs] for a in pairs]
        )


class Matching(nn.Module):
    """An evaluator as a part to train: its sides for motions and for videos, trained against each other."""

    trained_on: ClassVar[Literal["pairs"]] = "pairs"
    encoded_by: ClassVar[None] = None
    metric: ClassVar[str] = "total"
    validation_draws: ClassVar[int] = 1
    recordable: ClassVar[bool] = False  # which pairs are related is looked up by their keys
    blocks: ClassVar[tuple[type[nn.Module], ...]] = ()

    def __init__(self, section: EvaluatorSection, facts: TrainingFacts, related: Relations) -> None:
        super().__init__()
        self.evaluator = MotionEvaluator.build(section.model, facts)
        self.related = related
        self.margin = section.margin

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """The matching loss; dropout apart, it draws nothing."""
        own, gather = batch.ranks.own, batch.ranks.gather  # every pair is compared with those of all ranks
        longest = int(batch.lengths.max()) + PADDING_FRAMES
        frames = own(batch.motion)[:, :longest]
        motion = gather(self.evaluator.embed(frames, own(batch.lengths)))  # (b, d)
        video = gather(self.evaluator.embed_videos(batch.video.map(own)))  # (b, d)
        related = self.related.matrix(batch.keys).to(motion.device)  # (b, b)
        return matching_losses(motion, video, related, self.margin)


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
