from itertools import islice

import pytest
import torch

from trainer.data import TrainingData
from trainer.loader import Order, PairBatches, WindowBatches


@pytest.fixture
def table(data_folder):
    return TrainingData(data_folder).train()


def pairs(table, workers=0):
    return PairBatches(table, batch_size=4, padded_frames=60, seed=1, workers=workers)


def test_batches_do_not_depend_on_where_the_stream_starts():
    order = Order(seed=2, samples=11, batch_size=4)
    assert order.steps_per_epoch == 2
    whole = list(islice(order.draws(0), 9))
    for start in range(9):
        assert list(islice(order.draws(start), 9 - start)) == whole[start:]


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


def test_crops_differ_between_epochs(table):
    batches = list(islice(pairs(table).train(0), 60))
    lengths = {}
    for batch in batches:
        for key, length in zip(batch.keys, batch.lengths.tolist(), strict=True):
            lengths.setdefault(key, set()).add(length)
    assert lengths["train-1"] == {40, 36}
    assert "train-5" not in lengths  # 3 frames, shorter than a token


def test_whole_validation(table):
    batches = list(pairs(table).whole())
    assert [len(batch.keys) for batch in batches] == [4, 4, 3]
    assert batches[0].lengths.tolist() == [40, 40, 24, 60]
    assert pairs(table).skipped == 1


def test_windows_are_slices_of_unique_motions(table):
    windows = WindowBatches(table, batch_size=16, window_frames=20, seed=0, workers=0)
    assert (windows.motions, windows.skipped) == (11, 1)
    assert windows.order.samples == sum(n - 19 for n in (40, 24, 60, 22, 33, 52, 41, 28, 36, 45))
    batch = next(windows.train(0))
    assert batch.shape == (16, 20, 263)
    motions = [torch.from_numpy(sample.motion.copy()) for sample in table if len(sample.motion) >= 20]
    possible = torch.cat([motion.unfold(0, 20, 1).mT for motion in motions])  # (windows, 20, 263)
    assert all(any(torch.equal(window, other) for other in possible) for window in batch)


def test_loader_leaves_the_global_generator_alone(table):
    torch.manual_seed(0)
    expected = torch.get_rng_state()
    next(pairs(table).train(0))
    assert torch.equal(torch.get_rng_state(), expected)


def test_worker_processes_change_nothing(table):
    alone, helped = pairs(table).train(3), pairs(table, workers=1).train(3)
    for ours, theirs in islice(zip(alone, helped, strict=True), 3):
        assert ours.keys == theirs.keys
        assert torch.equal(ours.motion, theirs.motion)
        assert torch.equal(ours.condition.frames, theirs.condition.frames)
