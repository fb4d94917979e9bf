"""What a generator looked at to make a reaction, where it can say so: for people to look at, not for training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hero_core.models.base import VideoFeatures
from hero_core.motion.format import FRAMES_PER_TOKEN, MOTION_DIM


class Explanation(NamedTuple):
    """Of a batch of reactions; None for what a generator does not have.

    Attributes:
        frame_weights: ``(b, t)``, how much each frame of a video counts in what is taken from it as a whole.
        attention: ``(b, m, t)``, how much each token of a reaction looks at each frame of its video, mean over
            heads and layers.
        tokens: ``(b, m, q)`` int64, the codes of the reactions, base layer first; -1 past their ends.
    """

    frame_weights: Tensor | None = None
    attention: Tensor | None = None
    tokens: Tensor | None = None


@runtime_checkable
class Explains(Protocol):
    """A generator that has this method can say what it looked at; the others simply lack it."""

    def explain(self, condition: VideoFeatures, motion: Tensor, lengths: Tensor) -> Explanation:
        """About finished reactions ``(b, n, 263)``, n whole tokens, of ``lengths`` ``(b,)`` frames, to videos."""
        ...


@dataclass(frozen=True)
class Explained:
    """An :class:`Explanation` of one reaction: weights ``(t,)``, attention ``(m, t)`` and tokens ``(m, q)``."""

    frame_weights: NDArray[np.float32] | None = None
    attention: NDArray[np.float32] | None = None
    tokens: NDArray[np.int64] | None = None


def explain(
    generator: object, condition: VideoFeatures, motions: Sequence[NDArray[np.float32]]
) -> list[Explained]:
    """What a generator looked at to make each of these reactions; empty ones where it cannot say.

    Args:
        generator: any generator, with or without ``explain``.
        condition: features of as many videos, on the generator's device.
        motions: ``(n, 263)`` each, whole tokens.
    """
    if not isinstance(generator, Explains):
        return [Explained()] * len(motions)
    lengths = torch.tensor([len(motion) for motion in motions])
    stacked = torch.zeros(len(motions), int(lengths.max()), MOTION_DIM)
    for row, motion in enumerate(motions):
        stacked[row, : len(motion)] = torch.from_numpy(np.array(motion))
    device = condition.frames.device
    weights, attention, tokens = generator.explain(condition, stacked.to(device), lengths.to(device))
    return [
        Explained(
            None if weights is None else weights[row].float().cpu().numpy(),
            None if attention is None else attention[row, :count].float().cpu().numpy(),
            None if tokens is None else tokens[row, :count].cpu().numpy(),
        )
        for row, count in enumerate((lengths // FRAMES_PER_TOKEN).tolist())
    ]
