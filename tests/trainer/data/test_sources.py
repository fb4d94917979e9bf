from itertools import islice

import numpy as np
import pytest
import torch

from hero_core.errors import ShardError
from hero_core.training_set import TrainingSet
from tests.trainer.data.test_codes import Sums, made
from trainer.data.batches import CropBatches, WindowBatches
from trainer.data.draws import Pieces
from trainer.data.sources import Contents, Mapped, Resident, Streaming, most_tokens, open_source

CPU = torch.device("cpu")


@pytest.fixture
def samples(data_folder):
    return TrainingSet(data_folder).train()


@pytest.fixture(params=["resident", "mapped"])
def reading(request):
    return request.param


def test_pieces_are_padded_with_zeros(samples, reading):
    source = open_source(samples, Contents(motions=True, videos=True), CPU, reading)
    batch = source.batch(Pieces(np.array([0, 2]), np.array([4, 0]), np.array([8, 24])), 28)
    assert batch.motion.shape == (2, 28, 263)
    assert batch.lengths.tolist() == [8, 24]
    torch.testing.assert_close(batch.motion[0, :8], torch.from_numpy(samples[0].motion[4:12].copy()))
    assert not batch.motion[0, 8:].any()
    assert batch.video.frames.shape == (2, 4, 16)
    np.testing.assert_allclose(batch.video.times[0], np.arange(4) / 4 - 4 / 20, atol=1e-6)
    assert batch.keys == ("train-0", "train-2")
    assert batch.encoded is None


def test_the_last_motion_can_be_padded_beyond_all(samples, reading):
    source = open_source(samples, Contents(motions=True, videos=False), CPU, reading)
    last = len(samples) - 1
    batch = source.batch(Pieces(np.array([last]), np.array([1]), np.array([44])), 200)
    torch.testing.assert_close(batch.motion[0, :44], torch.from_numpy(samples[last].motion[1:45].copy()))
    assert not batch.motion[0, 44:].any()


def assert_same(ours, theirs):
    assert ours.keys == theirs.keys
    assert torch.equal(ours.lengths, theirs.lengths)
    for one, other in ((ours.frames, theirs.frames), (ours.encoded, theirs.encoded)):
        assert (one is None and other is None) or torch.equal(one, other)
    for one, other in zip(ours.condition or (), theirs.condition or (), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("encoded", [False, True])
def test_both_ways_give_the_same_pairs(make_data, tmp_path, tiny_config, encoded):
    data = TrainingSet(make_data(tmp_path / "data"))
    codes = (lambda: made(data, Sums(), tmp_path)) if encoded else None
    both = [
        CropBatches("masked", data, tiny_config(f"reading={reading}"), CPU, codes)
        for reading in ("resident", "mapped")
    ]
    for ours, theirs in islice(zip(*(batches.train(3) for batches in both), strict=True), 9):
        assert_same(ours, theirs)
        assert (ours.frames is None) == encoded
    for ours, theirs in zip(*(batches.validation() for batches in both), strict=True):
        assert ours[0] == theirs[0]
        assert_same(ours[1], theirs[1])


def test_both_ways_give_the_same_windows(data_folder, tiny_config):
    both = [
        WindowBatches("rvq", TrainingSet(data_folder), tiny_config(f"reading={reading}"))
        for reading in ("resident", "mapped")
    ]
    for ours, theirs in islice(zip(*(batches.train(3) for batches in both), strict=True), 9):
        assert_same(ours, theirs)


@pytest.fixture(params=["tar", "h5"])
def sharded(make_data, tmp_path, request):
    """Twelve pairs to learn from in three shards."""
    return TrainingSet(make_data(tmp_path / "data", shard_format=request.param, pairs_in_shard=5))


def streaming(data, tiny_config, name, tmp_path, encoded=False, reading="streaming"):
    config = tiny_config(f"reading={reading}", "shuffle_buffer=5", "rvq.training.batch_size=16")
    if name == "rvq":
        return WindowBatches(name, data, config)
    return CropBatches(name, data, config, CPU, (lambda: made(data, Sums(), tmp_path)) if encoded else None)


@pytest.mark.parametrize(("name", "encoded"), [("rvq", False), ("masked", False), ("masked", True)])
def test_streamed_batches_are_those_of_the_same_order_read_at_random(
    sharded, tiny_config, tmp_path, name, encoded
):
    ours = streaming(sharded, tiny_config, name, tmp_path, encoded)
    theirs = streaming(sharded, tiny_config, name, tmp_path, encoded, reading="mapped")
    assert (ours.reading, theirs.reading) == ("streaming, shuffled among 5", "memory-mapped")
    theirs.__dict__["order"] = ours.order  # its source stays the mapped one
    for start in (0, 3):
        both = zip(ours.train(start), theirs.train(start), strict=True)
        for one, other in islice(both, 3 * ours.order.steps_per_epoch):
            assert_same(one, other)
    for one, other in zip(ours.validation(), theirs.validation(), strict=True):
        assert one[0] == other[0]
        assert_same(one[1], other[1])


@pytest.mark.parametrize("name", ["rvq", "masked"])
def test_streamed_batches_do_not_depend_on_where_the_stream_starts(sharded, tiny_config, tmp_path, name):
    batches = streaming(sharded, tiny_config, name, tmp_path)
    count = 2 * batches.order.steps_per_epoch + 2
    whole = list(islice(batches.train(0), count))
    for start in range(0, count, 1 if name == "masked" else 7):
        rest = islice(batches.train(start), count - start)
        for one, other in zip(rest, whole[start:], strict=True):
            assert_same(one, other)


@pytest.mark.parametrize("name", ["rvq", "masked"])
def test_only_what_is_still_to_be_drawn_is_in_memory(sharded, tiny_config, tmp_path, name):
    batches = streaming(sharded, tiny_config, name, tmp_path)
    places = batches._windows if name == "rvq" else batches._crops
    source = batches._source.from_step(0)
    for step, draw in enumerate(islice(batches.order.draws(0), 4 * batches.order.steps_per_epoch)):
        source.batch(places.locate(draw), 200 if name == "masked" else 20)
        assert len(source._kept) <= (5 if name == "masked" else 10)
        assert all((sample.features is None) == (name == "rvq") for sample in source._kept.values())
        if (step + 1) % batches.order.steps_per_epoch == 0:  # nothing of the last epoch is left behind
            coming = islice(batches.order.blocks(step + 1), 4)
            assert set(source._kept) <= {motion for block in coming for motion in block.motions.tolist()}


def test_a_sample_that_is_not_where_the_manifest_says_is_named(make_data, tmp_path, tiny_config):
    folder = make_data(tmp_path / "data", pairs_in_shard=5)
    shards = [folder / "shards" / f"train-0000{number}.tar" for number in range(3)]
    shards[1].write_bytes(shards[1].read_bytes()[:-30_000])
    batches = streaming(TrainingSet(folder), tiny_config, "masked", tmp_path)
    with pytest.raises(ShardError, match=r"train-00001\.tar"):
        list(islice(batches.train(0), 4))
    shards[1].write_bytes(shards[2].read_bytes())
    with pytest.raises(ShardError, match=r"train-00001\.tar: damaged, or of another folder"):
        list(islice(batches.train(0), 4))


def test_what_fits_in_no_memory_is_streamed(make_data, tmp_path, tiny_config, monkeypatch):
    data = TrainingSet(make_data(tmp_path))
    size = sum(row.pair.length for row in data.train().rows) * 263 * 4
    far = data.with_shards_at("memory://nowhere")
    for free, expected in ((8 * size, Resident), (2 * size, Mapped), (size // 2, Streaming)):
        monkeypatch.setattr("trainer.data.sources._free_memory", lambda device, free=free: free)
        assert type(CropBatches("masked", data, tiny_config())._source) is expected
        assert type(WindowBatches("rvq", data, tiny_config())._source) is expected
    assert type(WindowBatches("rvq", far, tiny_config())._source) is Streaming
    monkeypatch.setattr("trainer.data.sources._free_memory", lambda device: 2 * size)
    assert type(WindowBatches("rvq", far, tiny_config())._source) is Streaming  # rather than copy all shards


def test_what_fits_becomes_resident_and_says_so(samples, monkeypatch):
    contents = Contents(motions=True, videos=True)
    size = sum(row.pair.length for row in samples.rows) * 263 * 4
    for free, expected in ((100 * size, "resident, "), (size, "memory-mapped")):
        monkeypatch.setattr("trainer.data.sources._free_memory", lambda device, free=free: free)
        assert open_source(samples, contents, CPU, "auto").description.startswith(expected)


def test_on_a_gpu_few_different_numbers_of_tokens_come_up():
    pieces = Pieces(np.arange(3), np.zeros(3, np.int64), np.array([100, 200, 40]))
    assert most_tokens(pieces, CPU) is None
    assert most_tokens(pieces, torch.device("cuda")) == 256


def test_of_a_batch_in_shares_the_fullest_counts():
    frames = np.array([100, 100, 600, 600, 2000, 4])
    pieces = Pieces(np.arange(6), np.zeros(6, np.int64), frames)
    cuda = torch.device("cuda")
    assert [most_tokens(pieces, cuda, shares) for shares in (1, 2, 3)] == [1024, 768, 512]
