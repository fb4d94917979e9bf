"""Both backends keep the same promises."""

import io
import json
import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread, current_thread

import h5py
import numpy as np
import pytest
import webdataset

from hero_core.choices import SHARD_FORMATS
from hero_core.errors import ShardError
from hero_core.shards import ArrayRecord, open_reader, open_writer
from hero_core.shards import tar as tar_shards

both = pytest.mark.parametrize("suffix", SHARD_FORMATS)


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
            writer.write(item)
    return path


@both
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


@both
def test_records_in_passing_are_the_same(tmp_path: Path, suffix: str) -> None:
    items = records()
    reader = open_reader(write(tmp_path / f"a.{suffix}", items))
    for chosen in ([0, 1, 2, 3, 4], [1, 3], [4, 0, 2], [2, 2], []):
        found = list(reader.records(items[index].key for index in chosen))
        assert [record.key for record in found] == [items[index].key for index in chosen]
        for record in found:
            for name, array in reader[record.key].arrays.items():
                np.testing.assert_array_equal(record.arrays[name], array)
                assert record.arrays[name].dtype == array.dtype
            assert record.meta == reader[record.key].meta


@both
def test_records_are_read_when_their_keys_are_asked_for(tmp_path: Path, suffix: str) -> None:
    items, asked = records(), []

    def keys() -> Iterator[str]:
        for item in items:
            asked.append(item.key)
            yield item.key

    passing = open_reader(write(tmp_path / f"a.{suffix}", items)).records(keys())
    for item in items[:3]:
        assert next(passing).key == asked[-1] == item.key
    passing.close()


@both
def test_damage_is_found_in_passing(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a.{suffix}", records())
    keys = [item.key for item in records()]
    with pytest.raises(ShardError, match=r"a\.\w+: no .*record 'absent'"):
        list(open_reader(path).records([keys[0], "absent"]))
    whole = path.read_bytes()
    for damaged in (whole[:3000], whole[: len(whole) // 2], b"", b"something else" * 1000):
        path.write_bytes(damaged)
        with pytest.raises(ShardError, match=r"a\."):
            list(open_reader(path).records(keys))


def test_a_tar_with_odd_members_is_refused(tmp_path: Path) -> None:
    for name, kind, content in (
        ("k.json", tarfile.SYMTYPE, b""),
        ("k.json", tarfile.REGTYPE, b"{"),
        ("k.x.npy", tarfile.REGTYPE, b"\x80\x04K\x01."),  # a pickle
    ):
        path = tmp_path / "a.tar"
        with tarfile.open(path, "w") as tar:
            for each in (name, "k.json"):
                member = tarfile.TarInfo(each)
                member.type, member.size = (kind, len(content)) if each == name else (tarfile.REGTYPE, 2)
                tar.addfile(member, io.BytesIO(content if each == name else b"{}"))
                if name == "k.json":
                    break
        for read in (lambda reader: reader["k"], lambda reader: list(reader.records(["k"]))):
            with pytest.raises(ShardError, match=r"a\.tar"):
                read(open_reader(path))


def test_a_thread_never_sees_half_of_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread is held in the middle of the index while another reads the last record."""
    items = records()
    reader = open_reader(write(tmp_path / "a.tar", items))
    begun, go_on = Event(), Event()
    span = tar_shards._Span

    def held(*values: int) -> object:
        if current_thread().name == "held":
            begun.set()
            assert go_on.wait(10)
        return span(*values)

    monkeypatch.setattr(tar_shards, "_Span", held)
    thread = Thread(target=reader.keys, name="held")
    thread.start()
    assert begun.wait(10)
    try:
        assert reader[items[-1].key].meta == items[-1].meta
        assert reader.keys() == [item.key for item in items]
    finally:
        go_on.set()
        thread.join()
    assert reader.keys() == [item.key for item in items]


@both
def test_equal_records_give_equal_bytes(tmp_path: Path, suffix: str) -> None:
    first, second = (write(tmp_path / f"{name}.{suffix}", records()) for name in "ab")
    assert first.read_bytes() == second.read_bytes()


@both
def test_nothing_appears_when_writing_fails(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(RuntimeError), open_writer(tmp_path / f"a.{suffix}") as writer:
        writer.write(records()[0])
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@both
def test_a_key_is_written_once_and_objects_never(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ShardError, match="written twice"):
        write(tmp_path / f"a.{suffix}", records(1) * 2)
    with pytest.raises(ShardError, match="object arrays"):
        ArrayRecord("k", {"x": np.array([{}], dtype=object)})


@both
def test_readers_travel_to_other_processes(tmp_path: Path, suffix: str) -> None:
    reader = open_reader(write(tmp_path / f"a.{suffix}", records()))
    assert records()[0].key in reader
    assert pickle.loads(pickle.dumps(reader)).keys() == reader.keys()  # noqa: S301


@both
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


def test_webdataset_reads_our_tars(tmp_path: Path) -> None:
    items = records()
    path = write(tmp_path / "a.tar", items)
    samples = list(webdataset.WebDataset(str(path), shardshuffle=False).decode())
    for sample, item in zip(samples, items, strict=True):
        assert sample["__key__"] == item.key
        assert sample["json"] == item.meta
        for name, array in item.arrays.items():
            np.testing.assert_array_equal(sample[f"{name}.npy"], array)


def test_h5py_reads_our_hdf5_files(tmp_path: Path) -> None:
    items = records()
    with h5py.File(write(tmp_path / "a.h5", items)) as file:
        assert list(file) == [item.key for item in items]
        for item in items:
            assert json.loads(file[item.key].attrs["json"]) == item.meta
            for name, array in item.arrays.items():
                np.testing.assert_array_equal(file[item.key][name][()], array)


def test_links_out_of_an_hdf5_shard_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", records())
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file.create_group("stolen").attrs["json"] = "{}"
    with h5py.File(path, "a") as file:
        file["stolen"] = h5py.ExternalLink("secret.h5", "/stolen")
        file["soft"] = h5py.SoftLink(f"/{records()[0].key}")
    for key in ("stolen", "soft"):
        with pytest.raises(ShardError, match="link"):
            open_reader(path)[key]
