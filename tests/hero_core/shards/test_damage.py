"""Damaged shards end in our own errors, and those that a manifest speaks of are noticed."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from hero_core.choices import SHARD_FORMATS
from hero_core.errors import ShardError
from hero_core.shards import ArrayRecord, CheckedShardReader, open_reader, open_writer
from hero_core.storage import sha256_of_file
from tests.damage import damages

both = pytest.mark.parametrize("suffix", SHARD_FORMATS)


@pytest.fixture
def records() -> list[ArrayRecord]:
    rng = np.random.default_rng(0)
    return [
        ArrayRecord(
            f"clip_{index}", {"frames": rng.normal(size=(4, 8)), "times": np.arange(4.0)}, {"n": index}
        )
        for index in range(4)
    ]


def write(path: Path, records: list[ArrayRecord]) -> Path:
    with open_writer(path) as writer:
        for record in records:
            writer.write(record)
    return path


@both
def test_no_damage_ends_in_a_traceback(tmp_path: Path, suffix: str, records: list[ArrayRecord]) -> None:
    """Without a hash, what is read can be wrong; what cannot be read is an error that names the file.

    A block of HDF5 is left out: for one in some hundred, the HDF5 library itself never comes back. That is one more
    reason why a shard is hashed before it is opened.
    """
    path = write(tmp_path / f"a.{suffix}", records)
    for _ in damages(path, 400, blocks=suffix != "h5"):
        for record in records:
            for read in (lambda key: open_reader(path)[key], lambda key: [*open_reader(path).records([key])]):
                try:
                    read(record.key)
                except ShardError as error:
                    assert str(error).startswith(str(path))  # noqa: PT017


@both
def test_a_shard_is_held_to_its_hash(tmp_path: Path, suffix: str, records: list[ArrayRecord]) -> None:
    path = write(tmp_path / f"a.{suffix}", records)
    sha256 = sha256_of_file(path)
    reader = CheckedShardReader(path, sha256, "do this")
    assert reader.keys() == [record.key for record in records]
    assert "clip_1" in pickle.loads(pickle.dumps(reader))  # noqa: S301
    assert [record.meta for record in reader.records(["clip_2"])] == [{"n": 2}]
    np.testing.assert_array_equal(reader["clip_0"].arrays["frames"], records[0].arrays["frames"])
    for _ in damages(path, 100):
        with pytest.raises(ShardError, match=rf"a\.{suffix}: damaged.*do this"):
            CheckedShardReader(path, sha256, "do this")["clip_0"]
    path.unlink()
    with pytest.raises(ShardError, match=rf"a\.{suffix}: missing.*do this"):
        CheckedShardReader(path, sha256, "do this").check()
    path.mkdir()
    with pytest.raises(ShardError, match=rf"a\.{suffix}: cannot be read"):
        CheckedShardReader(path, sha256, "do this").check()
