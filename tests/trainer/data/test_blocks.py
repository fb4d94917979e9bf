"""The streamed order: index logic alone."""

from itertools import islice, pairwise

import numpy as np
import pytest

from trainer.data.blocks import StreamedOrder
from trainer.data.draws import Crops, Windows


def order_of(places, shards, buffer, batch_size=8, seed=0):
    """Of motions that are dealt out to shards of these sizes."""
    ends = np.cumsum(shards)
    motions = [np.arange(end - size, end) for end, size in zip(ends, shards, strict=True)]
    return StreamedOrder(seed, len(places), batch_size, places.firsts, motions, buffer)


def pairs(shards, buffer, **others):
    return order_of(Crops([40] * sum(shards), 0), shards, buffer, **others)


@pytest.fixture(params=["pairs", "windows"])
def order(request):
    lengths = [20 + 5 * (motion % 7) - 10 * (motion % 3 == 0) for motion in range(29)]
    places = Crops(lengths, 0) if request.param == "pairs" else Windows(lengths, 20)
    return order_of(places, [10, 7, 12], buffer=9, batch_size=4)


def epoch(order, number):
    draws = islice(order.draws(number * order.steps_per_epoch), order.steps_per_epoch)
    return np.concatenate([draw.places for draw in draws])


def test_an_epoch_draws_no_place_twice_and_left_overs_change(order):
    epochs = [epoch(order, number) for number in range(12)]
    assert {len(each) for each in epochs} == {order.samples // 4 * 4}
    assert all(len(set(each.tolist())) == len(each) for each in epochs)
    assert set(np.concatenate(epochs).tolist()) == set(range(order.samples))


def test_whole_batches_make_a_permutation_that_depends_on_seed_and_epoch_only():
    first, again, other = (pairs([16] * 8, 32, seed=seed) for seed in (3, 3, 4))
    assert sorted(epoch(first, 5)) == list(range(128))
    np.testing.assert_array_equal(epoch(first, 5), epoch(again, 5))
    assert not np.array_equal(epoch(first, 5), epoch(first, 6))
    assert not np.array_equal(epoch(first, 5), epoch(other, 5))
    assert not np.array_equal(epoch(first, 5), epoch(pairs([16] * 8, 64, seed=3), 5))


def test_batches_do_not_depend_on_where_the_stream_starts(order):
    count = 3 * order.steps_per_epoch + 2
    whole = [(draw.epoch, draw.places.tolist()) for draw in islice(order.draws(0), count)]
    assert [at for at, _ in whole] == [step // order.steps_per_epoch for step in range(count)]
    for start in range(count):
        rest = [(draw.epoch, draw.places.tolist()) for draw in islice(order.draws(start), count - start)]
        assert rest == whole[start:]


def test_blocks_say_what_is_read_for_the_draws(order):
    """In the order of the shards, and each motion as often as it is drawn."""
    for start in (0, 1, order.steps_per_epoch - 1):
        shard_of = np.repeat(np.arange(3), [10, 7, 12])
        blocks = [block for block in islice(order.blocks(start), 9) if block.epoch == 0]
        for block in blocks:
            assert len(block.motions) <= 9
            drawn = np.searchsorted(order.firsts, block.places, side="right") - 1
            found = dict(zip(block.motions.tolist(), block.times.tolist(), strict=True))
            assert found == {motion: int((drawn == motion).sum()) for motion in drawn.tolist()}
        read = np.concatenate([block.motions for block in blocks])
        assert np.count_nonzero(np.diff(shard_of[read])) <= 2  # each shard is opened once
        for shard in range(3):
            assert (np.diff(read[shard_of[read] == shard]) > 0).all()


def test_a_buffer_of_a_few_shards_mixes_well():
    """Of 64 shards of 50, eight in the buffer: as good as uniform where a batch looks."""
    order = pairs([50] * 64, 400, batch_size=32)
    for number in range(3):
        drawn = epoch(order, number)
        position = np.empty(3200)
        position[drawn] = np.arange(3200)
        assert (
            abs(np.corrcoef(position, np.arange(3200))[0, 1]) < 0.25
        )  # 64 shards in random order: 1/8 is usual
        apart = np.abs(np.diff(position.reshape(64, 50), axis=1))  # neighbours in a shard
        assert np.median(apart) > 80  # of 117 where 400 are shuffled
        shards = [len(set((batch // 50).tolist())) for batch in drawn.reshape(-1, 32)]
        assert np.mean(shards) > 7.5


def test_neighbours_in_an_epoch_are_not_neighbours_in_the_next():
    order = pairs([50] * 64, 400, batch_size=32)
    one, other = (set(map(frozenset, pairwise(epoch(order, number)))) for number in (0, 1))
    assert len(one & other) < 20


def test_a_buffer_that_holds_all_shuffles_all():
    drawn = epoch(pairs([100] * 4, 1000), 0)
    assert abs(np.corrcoef(drawn, np.arange(400))[0, 1]) < 0.15


def test_fewer_samples_than_a_batch_make_one_small_batch():
    order = pairs([2, 1], 8)
    assert order.steps_per_epoch == 1
    assert [sorted(draw.places) for draw in islice(order.draws(5), 2)] == [[0, 1, 2]] * 2


def test_a_last_block_is_not_a_small_one():
    blocks = islice(pairs([10] * 3, 14, batch_size=1).blocks(0), 3)
    assert [len(block.motions) for block in blocks] == [10, 10, 10]
