import numpy as np
import pytest

from hero_core.errors import InputError
from trainer.draws import UNIT_FRAMES, Span, WindowMap, crop, epoch_order, whole_tokens


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


@pytest.mark.parametrize("frames", range(UNIT_FRAMES, 14))
def test_crops_of_short_motions_keep_a_token_and_stay_inside(frames):
    for epoch in range(30):
        span = crop(0, epoch, 0, frames)
        assert span.frames >= UNIT_FRAMES
        assert span.frames % UNIT_FRAMES == 0
        assert 0 <= span.start <= frames - span.frames


def test_whole_tokens_take_all_but_the_remainder():
    assert [whole_tokens(frames) for frames in (3, 4, 47, 200)] == [Span(0, n) for n in (0, 4, 44, 200)]


def test_every_window_has_one_number():
    lengths = (5, 3, 4, 9)
    windows = WindowMap(lengths, 4)
    expected = [(m, Span(s, 4)) for m, n in enumerate(lengths) for s in range(n - 4 + 1)]
    assert [windows.locate(index) for index in range(len(windows))] == expected
    assert windows.skipped == 1


def test_no_motion_is_long_enough():
    with pytest.raises(InputError, match="window_frames"):
        WindowMap((3, 2), 4)
