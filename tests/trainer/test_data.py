import pickle

import numpy as np
import pytest
import torch

from hero_core.errors import InputError, ManifestError, ShardError
from hero_core.files import read_json, write_json
from hero_core.manifest import PAIRS, read_table, write_table
from trainer.data import TrainingData, collate
from trainer.draws import Span


@pytest.fixture
def data(data_folder):
    return TrainingData(data_folder)


def edit_rows(folder, change):
    rows = read_table(folder / "pairs.parquet", PAIRS)
    for row in rows:
        change(row)
    write_table(folder / "pairs.parquet", PAIRS, rows)


def test_samples_are_what_was_written(data):
    sample = data.train()[2]
    assert sample.key == "train-2"
    assert sample.motion.shape == (24, 263)
    assert sample.frames.shape == (4, 16)
    np.testing.assert_allclose(sample.global_feature, sample.frames.mean(0), rtol=1e-6)


def test_tar_and_hdf5_hold_the_same(make_data, tmp_path, data):
    other = TrainingData(make_data(tmp_path, shard_format="h5"))
    for ours, theirs in zip(data.train(), other.train(), strict=True):
        assert ours.key == theirs.key
        np.testing.assert_array_equal(ours.motion, theirs.motion)
        np.testing.assert_array_equal(ours.frames, theirs.frames)


def test_training_never_reaches_the_test_split(data):
    reachable = [*data.train().rows, *data.validation().rows]
    assert {row.pair.split for row in reachable} == {"train", "val"}
    assert {row.pair.split for row in data.train().rows} == {"train"}
    assert not any("test" in shard for table in (data.train(), data.validation()) for shard in table._readers)


def test_official_selection_is_the_one_door(data):
    assert {row.pair.split for row in data.validation("official-test").rows} == {"test"}
    assert {row.pair.split for row in data.train("official-test").rows} == {"train", "val"}


def test_unique_motions_and_short_motions(data):
    table = data.train()
    assert (len(table), len(table.unique_motions()), len(table.long_enough())) == (12, 11, 11)
    assert data.longest_motion_frames == 60


def test_nothing_opens_before_the_first_read_and_tables_can_be_sent(make_data, tmp_path):
    folder = make_data(tmp_path)
    shard = folder / "shards" / "train-00000.tar"
    hidden = shard.rename(shard.with_suffix(".away"))
    table = TrainingData(folder).train()
    hidden.rename(shard)
    assert table[0].key == pickle.loads(pickle.dumps(table))[0].key  # noqa: S301  our own bytes


def test_collate_pads_with_zeros(data):
    samples = [data.train()[0], data.train()[2]]
    batch = collate(samples, [Span(4, 8), Span(0, 24)], 28)
    assert batch.motion.shape == (2, 28, 263)
    assert batch.lengths.tolist() == [8, 24]
    torch.testing.assert_close(batch.motion[0, :8], torch.from_numpy(samples[0].motion[4:12].copy()))
    assert not batch.motion[0, 8:].any()
    assert batch.condition.frames.shape == (2, 4, 16)
    assert batch.keys == ("train-0", "train-2")


def test_digest_changes_with_the_statistics(make_data, tmp_path):
    folder = make_data(tmp_path)
    before = TrainingData(folder).digest
    assert TrainingData(folder).digest == before
    np.save(folder / "Std.npy", np.ones(263, np.float32))
    assert TrainingData(folder).digest != before


def test_not_a_data_folder(tmp_path):
    with pytest.raises(InputError, match="build-pairs"):
        TrainingData(tmp_path)


def test_other_version(make_data, tmp_path):
    folder = make_data(tmp_path)
    write_json(folder / "dataset.json", {**read_json(folder / "dataset.json"), "schema": "training-data/9"})
    with pytest.raises(ManifestError, match="training-data/9"):
        TrainingData(folder)


def test_manifest_that_contradicts_the_shard(make_data, tmp_path):
    folder = make_data(tmp_path)
    edit_rows(folder, lambda row: row.update(length=row["length"] + 1))
    with pytest.raises(ShardError, match="the manifest says"):
        TrainingData(folder).train()[0]


def test_shard_names_cannot_leave_the_folder(make_data, tmp_path):
    folder = make_data(tmp_path)
    edit_rows(folder, lambda row: row.update(shard="../" + row["shard"]))
    with pytest.raises(ManifestError, match="not the name of a shard"):
        TrainingData(folder)


def test_missing_split(make_data, tmp_path):
    folder = make_data(tmp_path, lengths={"train": (20, 24)})
    with pytest.raises(InputError, match="no pairs in split val"):
        TrainingData(folder).validation()
