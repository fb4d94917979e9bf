"""Linear questions to the feature of a frame: what does this frame show? The mini encoder is taught by them."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.mini_scores import owner
from hero_core.minivimo.interactions import INTERACTIONS
from pipeline.minivimo import sample_clip
from pipeline.minivimo.sight import SIGHT_FIELDS, sight

PLAIN: tuple[tuple[str, float], ...] = (
    ("face_slant", 0.5),
    ("face_smile", 0.5),
    ("bow", 0.4),
    ("left_hand_up", -0.3),
    ("right_hand_up", -0.3),
    ("left_hand_size", 0.25),
    ("right_hand_size", 0.25),
    *((f"{kind}_size", size) for kind, size in (("ball", 0.2), ("bird", 0.4), ("car", 0.5), ("dog", 0.3))),
    *((f"{kind}_x", x) for kind in ("ball", "bird", "car", "dog") for x in (-0.35, 0.0, 0.35)),
)
"""Fields, and from where on one plainly sees an angry face, a raised hand, a ball on the right and so on: as yes or no
they are learned far sooner than as numbers."""

_MOST_UPWEIGHTED = 15.0
_PLAIN_COLUMNS = [SIGHT_FIELDS.index(field) for field, _ in PLAIN]
_PLAIN_OWNERS = [owner(field) for field, _ in PLAIN]
_PLAIN_FROM = torch.tensor([least for _, least in PLAIN])

_SCALE_CLIPS = 16 * len(INTERACTIONS)
_SCALE_TIMES = 12
_SMOOTH_BELOW = 0.1
SHOWN = torch.tensor([field.endswith("_shown") for field in SIGHT_FIELDS])
_OWNER = torch.tensor([owner(field) for field in SIGHT_FIELDS])


@dataclass(frozen=True)
class Sights:
    """What single frames of many clips show, to scale the losses by.

    Attributes:
        deviations: ``(fields,)`` how much each number varies where its thing or person is shown; 1 for ``_shown``.
        rarity: ``(fields,)`` frames that do not show something for each that does; 1 for numbers.
        plain_rarity: ``(plain,)`` the same of what is plain to see.
    """

    deviations: Tensor
    rarity: Tensor
    plain_rarity: Tensor

    @classmethod
    def of(cls, data_seed: int) -> Self:
        """Those of some clips of a seed."""
        plans = [sample_clip(data_seed, index) for index in range(_SCALE_CLIPS)]
        shares = np.linspace(0, 1, _SCALE_TIMES)
        frames = [sight(plan, share * plan.duration_seconds) for plan in plans for share in shares]
        seen = torch.from_numpy(np.stack(frames))  # (n, fields)
        deviations = [
            1.0 if field.endswith("_shown") else float(seen[seen[:, owner(field)] > 0.5, column].std())
            for column, field in enumerate(SIGHT_FIELDS)
        ]
        rarity = torch.where(SHOWN, _rarity(seen), 1.0)
        return cls(torch.tensor(deviations), rarity, _rarity(plain_to_see(seen)))


def _rarity(shown: Tensor) -> Tensor:
    shares = shown.clamp(0, 1).mean(dim=0)
    return ((1 - shares) / shares).clamp(1, _MOST_UPWEIGHTED)


def plain_to_see(truth: Tensor) -> Tensor:
    """``(n, fields)`` of ``sight`` to ``(n, plain)``, 1 where a field of what is shown is above :data:`PLAIN`."""
    return ((truth[:, _PLAIN_COLUMNS] > _PLAIN_FROM) & (truth[:, _PLAIN_OWNERS] > 0.5)).float()


class SightProbe(nn.Module):
    """Linear questions to the feature of a frame: one for each field of ``sight``, and one for each that is plain.

    Numbers are told in units of the square root of their deviation, so that what varies little (a face, a hand)
    counts, and still less than where things are, which has to be seen first.
    """

    def __init__(self, feature_dim: int, sights: Sights) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(feature_dim, len(SIGHT_FIELDS)))
        self.bias = nn.Parameter(torch.zeros(len(SIGHT_FIELDS)))
        self.plain_weight = nn.Parameter(torch.zeros(feature_dim, len(PLAIN)))
        self.plain_bias = nn.Parameter(torch.zeros(len(PLAIN)))
        self.sights = sights
        self.scales = sights.deviations.sqrt()

    def forward(self, features: Tensor) -> Tensor:
        """``(n, d)`` to ``(n, fields)``: logits of what is shown, numbers in ``scales``."""
        answers: Tensor = features @ self.weight + self.bias
        return answers

    def losses(self, features: Tensor, truth: Tensor, absent_weight: float) -> Tensor:
        """``(fields,)`` from ``(n, d)`` and ``(n, fields)``: cross-entropy of what is shown, smooth L1 of numbers."""
        answers = self(features)
        shown = _cross_entropy(answers, truth.clamp(0, 1), self.sights.rarity)
        numbers = F.smooth_l1_loss(answers, truth / self.scales, reduction="none", beta=_SMOOTH_BELOW)
        there = SHOWN | (truth[:, _OWNER] > 0.5)  # (n, fields)
        weights = absent_weight + (1 - absent_weight) * there.float()
        return (weights * torch.where(SHOWN, shown, numbers)).sum(dim=0) / weights.sum(dim=0)

    def plain_losses(self, features: Tensor, truth: Tensor) -> Tensor:
        """``(plain,)`` cross-entropies of what is plain to see, rare things weighted up."""
        answers = features @ self.plain_weight + self.plain_bias
        return _cross_entropy(answers, plain_to_see(truth), self.sights.plain_rarity).mean(dim=0)


def _cross_entropy(logits: Tensor, truth: Tensor, rarity: Tensor) -> Tensor:
    """``(n, k)``; by ``rarity (k,)``, what is rare counts by its square root more, what is common less."""
    losses = F.binary_cross_entropy_with_logits(logits, truth, reduction="none", pos_weight=rarity)
    return losses / rarity.sqrt()
