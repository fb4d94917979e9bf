"""Both backends keep the same promises."""

import json
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import webdataset

from hero_core.errors import ShardError
from hero_core.shards import SHARD_FORMATS, ArrayRecord, open_reader, open_writer

pytestmark = pytest.mark.parametrize("suffix", SHARD_FORMATS)


def records(count: int = 5) -> list[ArrayRecord]:
    rng = np.random.default_rng(3)
    return [
        ArrayRecord(
            f"clip_{index}-x",
            {
                "frames": rng.normal(size=(16, 8)).astype(np.float32),
                "half": rng.normal(size=(3,)).astype(np.float16),
                "big_endian": np.arange(4, dtype=">f8"),
                "fortran": np.asfortranarray(rng.normal(size=(3, 4))),
            },
            {"label": "ä", "n": index},
        )
        for index in range(count)
    ]


def write(path: Path, items: list[ArrayRecord]) -> Path:
    with open_writer(path) as writer:
        for item in items:
            ref = writer.write(item)
            assert (ref.shard, ref.key) == (path.name, item.key)
    return path


def test_round_trip_in_any_order(tmp_path: Path, suffix: str) -> None:
    items = records()
    reader = open_reader(write(tmp_path / f"a.{suffix}", items))
    assert reader.keys() == [item.key for item in items]
    for item in reversed(items):
        found = reader[item.key]
        assert found.meta == item.meta
        assert found.arrays.keys() == item.arrays.keys()
        for name, array in item.arrays.items():
            np.testing.assert_array_equal(found.arrays[name], array)
            assert found.arrays[name].dtype == array.dtype.newbyteorder("<")


def test_equal_records_give_equal_bytes(tmp_path: Path, suffix: str) -> None:
    first, second = (write(tmp_path / f"{name}.{suffix}", records()) for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_nothing_appears_when_writing_fails(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(RuntimeError), open_writer(tmp_path / f"a.{suffix}") as writer:
        writer.write(records()[0])
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_written_once_and_objects_never(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ShardError, match="written twice"):
        write(tmp_path / f"a.{suffix}", records(1) * 2)
    with pytest.raises(ShardError, match="object arrays"):
        ArrayRecord("k", {"x": np.array([{}], dtype=object)})


def test_readers_travel_to_other_processes(tmp_path: Path, suffix: str) -> None:
    reader = open_reader(write(tmp_path / f"a.{suffix}", records()))
    assert records()[0].key in reader
    assert pickle.loads(pickle.dumps(reader)).keys() == reader.keys()  # noqa: S301


def test_damage_is_an_error_that_names_the_file(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a.{suffix}", records())
    with pytest.raises(ShardError, match=r"a\.\w+: no .*record 'absent'"):
        open_reader(path)["absent"]
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ShardError, match=r"a\."):
        [open_reader(path)[item.key] for item in records()]
    path.write_bytes(b"")
    with pytest.raises(ShardError, match=r"a\."):
        open_reader(path).keys()


def test_webdataset_reads_our_tars(tmp_path: Path, suffix: str) -> None:
    if suffix != "tar":
        pytest.skip("WebDataset reads tars")
    items = records()
    path = write(tmp_path / "a.tar", items)
    samples = list(webdataset.WebDataset(str(path), shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == [item.key for item in items]
    assert json.loads(samples[0]["json"]) == items[0].meta


def test_links_out_of_an_hdf5_shard_are_refused(tmp_path: Path, suffix: str) -> None:
    if suffix != "h5":
        pytest.skip("links are HDF5's")
    path = write(tmp_path / "a.h5", records())
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file.create_group("stolen").attrs["json"] = "{}"
    with h5py.File(path, "a") as file:
        file["stolen"] = h5py.ExternalLink("secret.h5", "/stolen")
        file["soft"] = h5py.SoftLink(f"/{records()[0].key}")
    for key in ("stolen", "soft"):
        with pytest.raises(ShardError, match="link"):
            open_reader(path)[key]
