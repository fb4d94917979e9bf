from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn

from hero_core.motion.format import FRAMES_PER_TOKEN, MAX_FRAMES
from hero_core.training_set import TrainingSet
from trainer.data import codes
from trainer.data.codes import CodesPlace, codes_of
from trainer.data.draws import Crops, Draw, Pieces, whole_motions

CPU = torch.device("cpu")


class Sums(nn.Module):
    """An encoder that counts the crops it is given; a token is the sum of its four frames' first values."""

    frames_per_code = FRAMES_PER_TOKEN
    reach_frames = 7

    def __init__(self, offset=0):
        super().__init__()
        self.register_buffer("offset", torch.tensor(offset))
        self.crops = 0

    def encode(self, motion, lengths):
        assert motion.shape[1] in (MAX_FRAMES, (int(lengths.max()) + self.reach_frames) // 4 * 4)
        self.crops += len(motion)
        values = (100 * motion[..., :1]).long().unflatten(1, (-1, FRAMES_PER_TOKEN)).sum(dim=2)
        return torch.cat([values, values % 7], dim=-1) + self.offset  # (b, m, 2)


class Means(nn.Module):
    """An encoder with one row for the whole motion: the mean of its first value, and its length."""

    frames_per_code = None
    reach_frames = 0

    def encode(self, motion, lengths):
        means = motion[..., 0].sum(dim=1) / lengths
        return torch.stack([means, lengths.float()], dim=-1)[:, None]  # (b, 1, 2)


@pytest.fixture
def data(make_data, tmp_path):
    return TrainingSet(make_data(tmp_path / "data"))


def place_of(data, encoder, run):
    return CodesPlace.of("rvq", encoder, data, "validation", run, CPU)


def made(data, encoder, run):
    return codes_of(place_of(data, encoder, run), data.read_by_training(), encoder, CPU)


def test_every_crop_that_can_be_drawn_has_the_codes_the_encoder_gives_it(data, tmp_path):
    samples, encoder = data.train().with_video().long_enough(), Sums()
    found = made(data, encoder, tmp_path)
    crops = Crops([row.pair.length for row in samples.rows], seed=0)
    everything = np.arange(len(samples))
    numbers = found.numbers(samples)
    drawn = [crops.locate(Draw(epoch, everything)) for epoch in range(40)]
    drawn.append(whole_motions(everything, np.array([row.pair.length for row in samples.rows])))
    for pieces in drawn:
        firsts = found.first_rows(pieces._replace(motions=numbers))
        for sample, start, frames, first in zip(samples, pieces.starts, pieces.frames, firsts, strict=True):
            padded = torch.zeros(1, MAX_FRAMES, 263)
            padded[0, :frames] = torch.from_numpy(sample.motion[start : start + frames].copy())
            tokens = frames // FRAMES_PER_TOKEN
            expected = encoder.encode(padded, torch.tensor([frames]))[0, :tokens]
            assert found.values[first : first + tokens].tolist() == expected.tolist()


def test_a_whole_motion_may_have_one_row(data, tmp_path):
    samples = data.train().with_video().long_enough()
    found = made(data, Means(), tmp_path)
    crops = Crops([row.pair.length for row in samples.rows], seed=0)
    everything = np.arange(len(samples))
    for epoch in range(20):
        pieces = crops.locate(Draw(epoch, everything))
        firsts = found.first_rows(pieces._replace(motions=found.numbers(samples)))
        for sample, start, frames, first in zip(samples, pieces.starts, pieces.frames, firsts, strict=True):
            mean = sample.motion[start : start + frames, 0].mean()
            assert found.values[first].tolist() == pytest.approx([mean, frames], rel=1e-5)
    assert (found.rows_in(4), found.rows_in(MAX_FRAMES)) == (1, 1)


def test_a_motion_of_one_token_has_crops_of_one_length(make_data, tmp_path):
    data = TrainingSet(make_data(tmp_path / "short", {"train": (6, 4), "val": (9,), "test": (8,)}))
    encoder = Sums()
    found = made(data, encoder, tmp_path)
    counts = {6: 3, 4: 1, 9: 2 + 6}  # by frames of the motion
    motions = data.read_by_training().with_video().unique_motions()
    assert encoder.crops == sum(counts[row.pair.length] for row in motions.rows)
    last = Pieces(np.array([0]), np.array([2]), np.array([4]))
    assert found.first_rows(last).tolist() == [2]


def test_they_are_made_once(data, tmp_path):
    first, again = Sums(), Sums()
    ours, theirs = made(data, first, tmp_path), made(data, again, tmp_path)
    assert first.crops > 0
    assert again.crops == 0
    assert np.array_equal(ours.values, theirs.values)


def test_another_encoder_has_another_file(data, tmp_path):
    other = Sums(offset=1)
    assert not np.array_equal(made(data, Sums(), tmp_path).values, made(data, other, tmp_path).values)
    assert len(list((data.folder / "codes").glob("rvq-*.npy"))) == 2


@pytest.mark.parametrize("damage", ["cut", "changed", "undescribed"])
def test_damaged_ones_are_made_anew(data, tmp_path, damage):
    expected = made(data, Sums(), tmp_path).values.copy()
    path = place_of(data, Sums(), tmp_path).path
    content = path.read_bytes()
    if damage == "undescribed":
        path.with_suffix(".json").unlink()
    else:
        path.unlink()
        path.write_bytes(content[:-8] if damage == "cut" else content[:-1] + b"\x55")
    again = Sums()
    assert np.array_equal(made(data, again, tmp_path).values, expected)
    assert again.crops > 0


def test_batches_of_crops_change_nothing(data, tmp_path, monkeypatch):
    expected = made(data, Sums(), tmp_path).values.copy()
    monkeypatch.setattr(codes, "CROPS_AT_ONCE", 7)
    place_of(data, Sums(), tmp_path).path.unlink()
    assert np.array_equal(made(data, Sums(), tmp_path).values, expected)


def test_where_the_data_cannot_be_written_to_they_lie_in_the_run(data, tmp_path, monkeypatch):
    monkeypatch.setattr(codes.os, "access", lambda path, mode: False)
    assert place_of(data, Sums(), tmp_path / "run").path.parent == tmp_path / "run" / "codes"


def test_it_tells_how_far_it_is(data, tmp_path):
    told = []
    codes_of(
        place_of(data, Sums(), tmp_path),
        data.read_by_training(),
        Sums(),
        CPU,
        lambda *said: told.append(said),
    )
    assert told[-1][0] == told[-1][1]
    assert [done for done, *_ in told] == sorted(done for done, *_ in islice(told, None))
