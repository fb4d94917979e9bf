import numpy as np
import pytest

from hero_core.errors import InputError
from trainer.data import TrainingData
from trainer.eval.held_out import open_held_out


def test_reads_the_pairs_of_one_split_with_their_truths(truth_folder):
    data = open_held_out(truth_folder, "test")
    assert len(data.pairs) == 19
    assert {pair.pair.split for pair in data.pairs} == {"test"}
    first = data.pairs[0]
    assert first.sample.motion.shape[1] == 263
    assert np.allclose(first.sample.global_feature, first.sample.frames.mean(0), atol=1e-6)
    assert all(pair.truth is not None for pair in data.pairs)
    assert {pair.truth.moves for pair in data.pairs} == {True, False} or "stand" not in {
        pair.truth.reaction for pair in data.pairs
    }


def test_identifies_the_data_as_training_does(truth_folder):
    data, training = open_held_out(truth_folder), TrainingData(truth_folder)
    assert (data.fingerprint, data.padded_frames) == (training.fingerprint, training.longest_motion_frames)


def test_training_and_evaluation_share_no_pair(truth_folder):
    training = TrainingData(truth_folder)
    seen = {row.pair.key for table in (training.train(), training.validation()) for row in table.rows}
    assert seen.isdisjoint(pair.pair.key for pair in open_held_out(truth_folder, "test").pairs)


def test_leaves_out_motions_shorter_than_a_token(make_data, tmp_path):
    folder = make_data(tmp_path, {"train": (40, 40), "val": (40, 40), "test": (40, 40, 3, 44)})
    data = open_held_out(folder)
    assert (len(data.pairs), data.skipped) == (3, 1)
    assert all(pair.truth is None for pair in data.pairs)


def test_an_empty_split_is_refused(make_data, tmp_path):
    folder = make_data(tmp_path, {"train": (40, 40), "val": (40, 40)})
    with pytest.raises(InputError, match="no pairs in the test split"):
        open_held_out(folder)
