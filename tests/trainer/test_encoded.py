import numpy as np
import pytest
import torch
from torch import Tensor

from hero_core.models.base import Batch
from trainer import encoded
from trainer.draws import crop, possible_crops
from trainer.encoded import EncodedMotions

FRAMES = {"pair-0": 9, "pair-1": 12, "pair-2": 5}
MOTIONS = {
    key: np.random.default_rng(frames).random((frames, 2), np.float32) for key, frames in FRAMES.items()
}


class Sums:
    """An encoder that counts its calls and the motions in them."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def encode(self, motion: Tensor, lengths: Tensor) -> Tensor:
        self.batches.append(len(motion))
        valid = torch.arange(motion.shape[1]) < lengths[:, None]
        return (motion.sum(dim=-1) * valid).unflatten(1, (-1, 4)).sum(dim=-1, keepdim=True)  # (b, m, 1)


def encoded_motions(encoder: Sums) -> EncodedMotions:
    return EncodedMotions(encoder, MOTIONS.__getitem__)


def batch(*numbers: int, epoch: int = 0) -> Batch:
    """Crops as an epoch draws them, padded to 16 frames."""
    keys = tuple(f"pair-{number}" for number in numbers)
    spans = [crop(1, epoch, number, FRAMES[key]) for number, key in zip(numbers, keys, strict=True)]
    motion = torch.zeros(len(keys), 16, 2)
    for row, (key, span) in enumerate(zip(keys, spans, strict=True)):
        motion[row, : span.frames] = torch.from_numpy(MOTIONS[key][span.slice])
    lengths = torch.tensor([span.frames for span in spans])
    return Batch(keys, motion, lengths, starts=tuple(span.start for span in spans))


def test_it_is_what_the_encoder_makes_of_the_batch() -> None:
    motions = encoded_motions(Sums())
    for epoch in range(20):
        drawn = batch(2, 0, 1, epoch=epoch)
        assert torch.allclose(motions.of(drawn), Sums().encode(drawn.motion, drawn.lengths))


def test_what_a_motion_becomes_does_not_depend_on_its_batch() -> None:
    together, alone = encoded_motions(Sums()), encoded_motions(Sums())
    expected = torch.cat([alone.of(batch(number)) for number in (2, 0, 1)])
    assert torch.equal(together.of(batch(2, 0, 1)), expected)
    assert torch.equal(together.of(batch(0, 2)), expected[[1, 0]])


def test_every_motion_is_encoded_once_with_all_its_crops() -> None:
    encoder = Sums()
    motions = encoded_motions(encoder)
    for epoch in range(20):
        motions.of(batch(0, 1, epoch=epoch))
        motions.of(batch(1, 2, epoch=epoch))
    assert encoder.batches == [len(possible_crops(frames)) for frames in FRAMES.values()]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoded, "MOST_MOTIONS", 1)
    encoder = Sums()
    motions = encoded_motions(encoder)
    first = motions.of(batch(0, 1))
    assert torch.equal(motions.of(batch(0, 1)), first)
    assert len(encoder.batches) == 3  # the second motion was not kept
