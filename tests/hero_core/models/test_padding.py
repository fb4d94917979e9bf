import pytest
import torch

from hero_core.models.padding import Packing, valid_mask

LENGTHS = torch.tensor([3, 1, 4])


@pytest.mark.parametrize("most", [None, 8, 10, 12])
def test_what_is_packed_comes_back_to_its_place(most):
    valid, steps = valid_mask(LENGTHS, 4), torch.randn(3, 4, 2)
    packing = Packing.of(valid, most)
    packed = packing.pack(steps)
    assert len(packed) == (8 if most is None else most)
    assert torch.equal(packing.unpack(packed)[valid], steps[valid])


@pytest.mark.parametrize(("lengths", "most"), [(LENGTHS, None), (LENGTHS, 10), (torch.full((3,), 4), None)])
def test_every_step_knows_its_sequence(lengths, most):
    packing = Packing.of(valid_mask(lengths, 4), most)
    sequence = torch.arange(3.0)[:, None, None].expand(3, 4, 1)
    assert torch.equal(packing.sequences, packing.pack(sequence)[:, 0].long())
