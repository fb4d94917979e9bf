from itertools import islice

import numpy as np
import pytest

from hero_core.errors import InputError
from hero_core.motion.format import FRAMES_PER_TOKEN
from trainer.draws import Crops, Order, Span, Windows, crop, epoch_order, possible_crops, whole


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
    assert {span.frames for span in crops} == {88, 84}
    assert np.mean([span.frames == 84 for span in crops]) == pytest.approx(1 / 3, abs=0.03)
    starts = {length: {s.start for s in crops if s.frames == length} for length in (88, 84)}
    assert starts == {88: set(range(4)), 84: set(range(8))}


@pytest.mark.parametrize("frames", range(FRAMES_PER_TOKEN, 14))
def test_crops_of_short_motions_keep_a_token_and_stay_inside(frames):
    for epoch in range(30):
        span = crop(0, epoch, 0, frames)
        assert span.frames >= FRAMES_PER_TOKEN
        assert span.frames % FRAMES_PER_TOKEN == 0
        assert 0 <= span.start <= frames - span.frames


def test_whole_takes_all_but_the_remainder():
    assert [whole(frames) for frames in (3, 4, 47, 200)] == [Span(0, n) for n in (0, 4, 44, 200)]


def test_every_window_has_one_number():
    lengths = (5, 3, 4, 9)
    windows = Windows(lengths, 4)
    expected = [(m, Span(s, 4)) for m, n in enumerate(lengths) for s in range(n - 4 + 1)]
    assert [windows.locate((5, index)) for index in range(len(windows))] == expected
    assert windows.skipped == 1


def test_no_motion_is_long_enough():
    with pytest.raises(InputError, match="window_frames"):
        Windows((3, 2), 4)


@pytest.mark.parametrize("frames", [4, 7, 8, 91])
def test_every_possible_crop_comes_up_and_no_other(frames):
    possible = possible_crops(frames)
    assert len(set(possible)) == len(possible)
    assert possible[0] == whole(frames)
    assert set(possible) == {crop(0, epoch, 0, frames) for epoch in range(3000)}


def test_a_crop_depends_on_epoch_and_motion():
    crops = Crops((90, 40), seed=1)
    assert len(crops) == 2
    assert crops.locate((3, 1)) == (1, crop(1, 3, 1, 40))


def test_batches_do_not_depend_on_where_the_stream_starts():
    order = Order(seed=2, samples=11, batch_size=4)
    assert order.steps_per_epoch == 2
    whole_stream = list(islice(order.draws(0), 9))
    for start in range(9):
        assert list(islice(order.draws(start), 9 - start)) == whole_stream[start:]


def test_an_epoch_has_no_sample_twice_and_left_overs_change():
    batches = list(islice(Order(seed=0, samples=11, batch_size=4).draws(0), 40))
    seen = [{index for batch in batches[i : i + 2] for _, index in batch} for i in range(0, 40, 2)]
    assert {len(indices) for indices in seen} == {8}
    assert set.union(*seen) == set(range(11))
    assert [batch[0][0] for batch in batches[:4]] == [0, 0, 1, 1]


def test_fewer_samples_than_a_batch_make_one_small_batch():
    order = Order(seed=0, samples=3, batch_size=8)
    assert order.steps_per_epoch == 1
    assert sorted(index for _, index in next(order.draws(5))) == [0, 1, 2]
