"""A training set reads what it wrote, keeps its splits apart, and refuses what does not fit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hero_core.errors import InputError, ManifestError, ShardError
from hero_core.manifest import PAIRS, read_table, write_table
from hero_core.motion.statistics import MotionStatistics
from hero_core.records import FeatureRecord, MotionRecord, Pair, Split, Truth
from hero_core.seal import write_sealed_json
from hero_core.shards import open_writer
from hero_core.storage import read_json, sha256_of_file, write_json
from hero_core.training_set import PairRow, TrainingSet, sample_record, write_description, write_manifest

LENGTHS: dict[Split, tuple[int, ...]] = {"train": (40, 8, 3), "val": (12,), "test": (20, 3)}


def make(folder: Path, alone: bool = False, suffix: str = "tar") -> list[PairRow]:
    """A set with a pair for each of LENGTHS; ``alone`` leaves out the videos."""
    rng = np.random.default_rng(0)
    rows: list[PairRow] = []
    motions = []
    for split, lengths in LENGTHS.items():
        path = folder / "shards" / f"{split}-00000.{suffix}"
        pairs = []
        with open_writer(path) as writer:
            for index, length in enumerate(lengths):
                key = f"{split}-{index}"
                truth = Truth("wave", "left", 0.5) if index == 0 else None
                clip = None if alone else f"clip-{key}"
                pair = Pair(
                    key, clip, f"motion-{index}", split, "human-human", "a", key, "m.npy", length, truth
                )
                motion = MotionRecord(rng.normal(size=(length, 263)).astype(np.float32))
                frames = rng.normal(size=(4, 6)).astype(np.float32)
                features = None if alone else FeatureRecord.of(frames, np.arange(4.0))
                writer.write(sample_record(key, motion, features, pair))
                pairs.append(pair)
                motions.append(motion.vectors)
        rows += [PairRow(pair, path.name, sha256_of_file(path)) for pair in pairs]
    MotionStatistics.from_vectors(motions).save(folder)
    write_manifest(folder, rows)
    write_description(folder, rows, None, name="made", statement="made by a test")
    return rows


def test_round_trip(tmp_path: Path) -> None:
    rows = make(tmp_path)
    data = TrainingSet(tmp_path)
    assert data.rows == tuple(rows)
    train = data.train()
    assert [sample.pair.length for sample in train] == [40, 8, 3]
    assert [len(sample.motion) for sample in train.long_enough()] == [40, 8]
    assert train[0].video.frames.shape == (4, 6)
    assert train[0].pair.truth == Truth("wave", "left", 0.5)
    assert data.facts()["statement"] == "made by a test"


def test_splits_stay_apart(tmp_path: Path) -> None:
    make(tmp_path)
    data = TrainingSet(tmp_path)
    assert {row.pair.split for row in data.train().rows} == {"train"}
    assert {row.pair.split for row in data.validation().rows} == {"val"}
    assert [row.pair.key for row in data.held_out("test").rows] == ["test-0"]  # the other is under a token
    assert {row.pair.split for row in data.train("official-test").rows} == {"train", "val"}
    assert {row.pair.split for row in data.validation("official-test").rows} == {"test"}
    assert len(data.train("official-test").unique_motions()) == 3
    clips = [row.pair.clip_key for row in data.train("official-test").unique_clips().rows]
    assert clips == list(dict.fromkeys(row.pair.clip_key for row in data.train("official-test").rows))


def test_motions_of_their_own(tmp_path: Path) -> None:
    make(tmp_path, alone=True)
    data = TrainingSet(tmp_path)
    assert data.train()[0].features is None
    assert len(data.train().with_video()) == 0
    with pytest.raises(InputError, match="without a video"):
        _ = data.train()[0].video


def test_the_digest_tells_other_statistics_apart(tmp_path: Path) -> None:
    make(tmp_path)
    before = TrainingSet(tmp_path)
    digest = before.digest
    (tmp_path / "Std.npy").write_bytes((tmp_path / "Mean.npy").read_bytes())
    after = TrainingSet(tmp_path)
    assert before.fingerprint == after.fingerprint
    assert digest != after.digest


def test_synchronous_is_what_the_description_says_and_tells_data_apart(tmp_path: Path) -> None:
    make(tmp_path)
    before = TrainingSet(tmp_path)
    assert before.synchronous is False
    description = read_json(tmp_path / "dataset.json")
    write_sealed_json(tmp_path / "dataset.json", description | {"synchronous": True})
    after = TrainingSet(tmp_path)
    assert after.synchronous is after.facts()["synchronous"] is True
    assert before.digest != after.digest


def test_samples_in_passing_are_the_same(tmp_path: Path) -> None:
    make(tmp_path)
    train = TrainingSet(tmp_path).train("official-test")  # of two shards
    assert {row.shard for row in train.rows} == {"train-00000.tar", "val-00000.tar"}
    for chosen in (range(len(train)), [3, 0, 2, 1, 0]):
        for index, sample in zip(chosen, train.in_passing(chosen), strict=True):
            assert sample.pair == train[index].pair
            np.testing.assert_array_equal(sample.motion, train[index].motion)
            np.testing.assert_array_equal(sample.video.frames, train[index].video.frames)


def test_shards_can_lie_elsewhere(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "shards").rename(tmp_path / "others")
    data = TrainingSet(tmp_path)
    for place in (str(tmp_path / "others"), (tmp_path / "others").as_uri()):
        assert len(data.with_shards_at(place).train()[0].motion) == 40
        assert not data.with_shards_at(place).train().remote
    assert data.with_shards_at("http://127.0.0.1/others").train().remote
    with pytest.raises(ShardError, match="shards/train-00000.tar"):
        data.train()[0]


def test_what_is_kept_of_the_samples_is_bounded_in_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arrays of an HDF5 shard are copies; those of a tar are views, which cost nothing."""
    for suffix, expected in (("h5", 2), ("tar", 3)):
        folder = tmp_path / suffix
        make(folder, suffix=suffix)
        train = TrainingSet(folder).train()
        monkeypatch.setattr("hero_core.training_set.BYTES_KEPT", 45 * 263 * 4)
        first = [train[index] for index in range(3)]
        assert sum(train[index] is sample for index, sample in enumerate(first)) == expected


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no training set here"):
        TrainingSet(tmp_path)
    make(tmp_path)
    rows = read_table(tmp_path / "pairs.parquet", PAIRS)
    for column, value, said in (("shard", "../x.tar", "name of a shard"), ("split", "exam", "split 'exam'")):
        write_table(tmp_path / "pairs.parquet", PAIRS, [row | {column: value} for row in rows])
        with pytest.raises(ManifestError, match=said):
            TrainingSet(tmp_path)
    write_table(tmp_path / "pairs.parquet", PAIRS, [row | {"length": 5} for row in rows])
    with pytest.raises(ShardError, match=r"\(40, 263\), the manifest says \(5, 263\)"):
        TrainingSet(tmp_path).train()[0]
    description = read_json(tmp_path / "dataset.json")
    write_json(tmp_path / "dataset.json", description | {"schema": "training-data/1"})
    with pytest.raises(ManifestError, match="hero-pipeline build-pairs"):
        TrainingSet(tmp_path)


def test_the_first_motion_of_every_training_clip_can_be_read_alone(tmp_path: Path) -> None:
    rows = [replace(row, pair=replace(row.pair, clip_key="same")) for row in make(tmp_path)]
    write_manifest(tmp_path, rows)
    write_description(tmp_path, rows, None, name="made", statement="made by a test")
    data = TrainingSet(tmp_path)
    first = data.with_first_motions()
    assert [row.pair.key for row in first.rows] == ["train-0", "val-0", "test-0", "test-1"]
    assert len(data.train()) == 3
    assert [sample.pair.key for sample in first.train()] == ["train-0"]
    assert first.digest != data.digest
    assert first.fingerprint == data.fingerprint
