import pytest
import torch
from torch import Tensor

from hero_core.models.base import Batch
from trainer import encoded
from trainer.encoded import EncodedMotions

LENGTHS = (8, 12, 8)


class Sums:
    """An encoder that counts its calls and the motions in them."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def encode(self, motion: Tensor, lengths: Tensor) -> Tensor:
        self.batches.append(len(motion))
        valid = torch.arange(motion.shape[1]) < lengths[:, None]
        return (motion.sum(dim=-1) * valid).unflatten(1, (-1, 4)).sum(dim=-1, keepdim=True)  # (b, m, 1)


def batch(*rows: int, start: int = 0) -> Batch:
    motion = torch.arange(3 * 16 * 2.0).view(3, 16, 2)[list(rows)]
    lengths = torch.tensor([LENGTHS[row] for row in rows])
    return Batch(tuple(f"pair-{row}" for row in rows), motion, lengths, starts=(start,) * len(rows))


def test_what_a_motion_becomes_does_not_depend_on_its_batch() -> None:
    together, alone = EncodedMotions(Sums()), EncodedMotions(Sums())
    expected = torch.cat([alone.of(batch(row)) for row in (2, 0, 1)])
    assert torch.equal(together.of(batch(2, 0, 1)), expected)
    assert torch.equal(together.of(batch(0, 2)), expected[[1, 0]])


def test_every_crop_is_encoded_once_and_by_itself() -> None:
    encoder = Sums()
    motions = EncodedMotions(encoder)
    for rows in ((0, 1), (1, 2), (0, 1, 2)):
        motions.of(batch(*rows))
    assert encoder.batches == [1, 1, 1]
    motions.of(batch(1, start=4))
    assert encoder.batches == [1, 1, 1, 1]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoded, "MOST_CROPS", 1)
    encoder = Sums()
    motions = EncodedMotions(encoder)
    first = motions.of(batch(0, 1))
    assert torch.equal(motions.of(batch(0, 1)), first)
    assert encoder.batches == [1, 1, 1]  # the second crop was not kept
