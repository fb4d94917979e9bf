"""What the frozen encoder makes of the motions, computed once for every crop and kept."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hero_core.models.base import Batch
from hero_core.training_set import Samples
from trainer.draws import Span, possible_crops

MOST_MOTIONS = 10_000
"""Motions whose tokens are kept, at the paper's sizes 2.4 kB for each of about nine crops."""

MotionOf = Callable[[str], NDArray[np.float32]]
"""The whole motion ``(n, 263)`` of a pair, by the pair's key."""


def motions_by_key(*parts: Samples) -> MotionOf:
    """Finds the motions of the parts of a training set; each is read when it is asked for."""
    found = {row.pair.key: (samples, number) for samples in parts for number, row in enumerate(samples.rows)}

    def motion_of(key: str) -> NDArray[np.float32]:
        samples, number = found[key]
        return samples[number].motion

    return motion_of


class EncodedMotions:
    """Encodes a motion when it first comes up: all the crops that can ever be taken from it, in one batch.

    Which batch that is depends on the motion alone, so the tokens of a crop do too: a resumed run, whose memory starts
    empty, goes on with the same ones.
    """

    def __init__(self, encoder: Any, motion_of: MotionOf) -> None:
        """Take a part with ``encode(motion, lengths)``, in evaluation mode and on its device."""
        self._encoder, self._motion_of = encoder, motion_of
        self._kept: dict[str, dict[Span, Tensor]] = {}

    def of(self, batch: Batch) -> Tensor:
        """What the encoder makes of ``batch.motion``, e.g. tokens ``(b, n / 4, q)``, on the batch's device."""
        spans = map(Span, batch.starts, batch.lengths.tolist())
        return torch.stack(
            [self._crops(key, batch.motion)[span] for key, span in zip(batch.keys, spans, strict=True)]
        )

    def _crops(self, key: str, like: Tensor) -> dict[Span, Tensor]:
        """By span, what each possible crop of a motion becomes, padded as ``like (b, n, 263)`` and on its device."""
        if key in self._kept:
            return self._kept[key]
        whole = self._motion_of(key)
        spans = possible_crops(len(whole))
        crops = np.zeros((len(spans), *like.shape[1:]), np.float32)  # (crops, n, 263)
        for row, span in enumerate(spans):
            crops[row, : span.frames] = whole[span.slice]
        lengths = torch.tensor([span.frames for span in spans])
        encoded: Tensor = self._encoder.encode(
            torch.from_numpy(crops).to(like.device), lengths.to(like.device)
        )
        found = dict(zip(spans, encoded, strict=True))
        if len(self._kept) < MOST_MOTIONS:
            self._kept[key] = found
        return found
