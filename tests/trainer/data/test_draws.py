from itertools import islice

import numpy as np
import pytest

from hero_core.errors import InputError
from hero_core.motion.format import FRAMES_PER_TOKEN
from trainer.data.draws import CropLengths, Crops, Draw, Order, Windows, epoch_order, whole_motions


def crop(seed, epoch, index, frames, motions=8):
    """First frame and length of one motion's crop, among motions of the same length."""
    pieces = Crops([frames] * motions, seed).locate(Draw(epoch, np.array([index])))
    return int(pieces.starts[0]), int(pieces.frames[0])


def test_epoch_order_is_a_permutation_that_depends_on_seed_and_epoch_only():
    order = epoch_order(3, 5, 100)
    assert sorted(order) == list(range(100))
    np.testing.assert_array_equal(order, epoch_order(3, 5, 100))
    assert not np.array_equal(order, epoch_order(3, 6, 100))
    assert not np.array_equal(order, epoch_order(4, 5, 100))


def test_crops_are_pure_and_redrawn_every_epoch():
    crops = [crop(1, epoch, 7, 90) for epoch in range(50)]
    assert crops == [crop(1, epoch, 7, 90) for epoch in range(50)]
    assert len(set(crops)) > 5
    assert crops[0] != crop(2, 0, 7, 90) or crops[1] != crop(2, 1, 7, 90)


def test_length_rule():
    crops = [crop(0, epoch, 0, 91) for epoch in range(3000)]
    assert {frames for _, frames in crops} == {88, 84}
    assert np.mean([frames == 84 for _, frames in crops]) == pytest.approx(1 / 3, abs=0.03)
    starts = {length: {start for start, frames in crops if frames == length} for length in (88, 84)}
    assert starts == {88: set(range(4)), 84: set(range(8))}


@pytest.mark.parametrize("frames", range(FRAMES_PER_TOKEN, 14))
def test_crops_of_short_motions_keep_a_token_and_stay_inside(frames):
    for epoch in range(30):
        start, length = crop(0, epoch, 0, frames)
        assert length >= FRAMES_PER_TOKEN
        assert length % FRAMES_PER_TOKEN == 0
        assert 0 <= start <= frames - length


def test_whole_takes_all_but_the_remainder():
    pieces = whole_motions(np.arange(4), np.array([3, 4, 47, 200]))
    assert pieces.frames.tolist() == [0, 4, 44, 200]
    assert pieces.starts.tolist() == [0] * 4


def test_every_window_has_one_number():
    lengths = (5, 3, 4, 9)
    windows = Windows(lengths, 4)
    expected = [(m, s, 4) for m, n in enumerate(lengths) for s in range(n - 4 + 1)]
    pieces = windows.locate(Draw(5, np.arange(len(windows))))
    assert list(zip(*(column.tolist() for column in pieces), strict=True)) == expected
    assert windows.skipped == 1


def test_no_motion_is_long_enough():
    with pytest.raises(InputError, match="window_frames"):
        Windows((3, 2), 4)


def test_a_crop_depends_on_epoch_and_motion_not_on_the_batch():
    crops = Crops(range(20, 60), seed=1)
    assert len(crops) == 40
    together = crops.locate(Draw(3, np.arange(40)))
    alone = crops.locate(Draw(3, np.array([7, 2])))
    for one, all_of_them in zip(alone, together, strict=True):
        assert one.tolist() == all_of_them[[7, 2]].tolist()


def test_the_shorter_length_keeps_a_token():
    assert [each.tolist() for each in CropLengths.of(np.array([4, 7, 8, 91]))] == [
        [4, 4, 8, 88],
        [4, 4, 4, 84],
    ]


def listed(order, start, count=40):
    return [(epoch, places.tolist()) for epoch, places in islice(order.draws(start), count)]


def test_batches_do_not_depend_on_where_the_stream_starts():
    order = Order(seed=2, samples=11, batch_size=4)
    assert order.steps_per_epoch == 2
    whole_stream = listed(order, 0)
    for start in range(9):
        assert listed(order, start)[: 9 - start] == whole_stream[start:9]


def test_an_epoch_has_no_sample_twice_and_left_overs_change():
    batches = listed(Order(seed=0, samples=11, batch_size=4), 0)
    seen = [{index for _, places in batches[i : i + 2] for index in places} for i in range(0, 40, 2)]
    assert {len(indices) for indices in seen} == {8}
    assert set.union(*seen) == set(range(11))
    assert [epoch for epoch, _ in batches[:4]] == [0, 0, 1, 1]


def test_fewer_samples_than_a_batch_make_one_small_batch():
    order = Order(seed=0, samples=3, batch_size=8)
    assert order.steps_per_epoch == 1
    assert sorted(next(order.draws(5)).places) == [0, 1, 2]
