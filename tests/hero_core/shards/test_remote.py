"""Shards behind a URL, served by this process."""

import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest

from hero_core.choices import SHARD_FORMATS
from hero_core.errors import ShardError
from hero_core.shards import ArrayRecord, RemoteShardReader, open_reader, open_writer, remote
from hero_core.storage import sha256_of_file
from tests.server import Handler, served

both = pytest.mark.parametrize("suffix", SHARD_FORMATS)


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> type[Handler]:
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.0)
    return type("Counting", (Handler,), {"answers": 0})  # its own, whatever other tests asked for


@pytest.fixture
def url(tmp_path: Path, handler: type[Handler]) -> Iterator[str]:
    with served(tmp_path, handler) as url:
        yield url


def written(path: Path) -> tuple[list[ArrayRecord], str]:
    """Three records in a shard, and its SHA-256."""
    items = [ArrayRecord(f"k{n}", {"x": np.full((4, 5), n, np.float32)}, {"n": n}) for n in range(3)]
    with open_writer(path) as writer:
        for item in items:
            writer.write(item)
    return items, sha256_of_file(path)


@both
def test_it_reads_as_the_file_does(
    tmp_path: Path, url: str, handler: type[Handler], suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(copies))
    items, sha256 = written(tmp_path / f"a.{suffix}")
    local, reader = open_reader(tmp_path / f"a.{suffix}"), RemoteShardReader(f"{url}/a.{suffix}", sha256)
    assert handler.answers == 0
    assert reader.keys() == local.keys()
    assert "k1" in reader
    for read in (reader, pickle.loads(pickle.dumps(reader))):  # noqa: S301
        assert read["k2"].meta == {"n": 2}
        np.testing.assert_array_equal(read["k2"].arrays["x"], items[2].arrays["x"])
    assert handler.answers == 2  # once in each process
    passed = list(reader.records(["k0", "k2"]))
    np.testing.assert_array_equal(passed[1].arrays["x"], items[2].arrays["x"])
    with pytest.raises(ShardError, match=rf"{url}/a\.{suffix}: no .*record 'absent'"):
        reader["absent"]
    assert list(copies.iterdir()) == []


def test_a_copy_that_breaks_off_is_made_again(tmp_path: Path, url: str, handler: type[Handler]) -> None:
    _, sha256 = written(tmp_path / "a.tar")
    handler.failures = 2
    assert RemoteShardReader(f"{url}/a.tar", sha256).keys() == ["k0", "k1", "k2"]
    assert handler.answers == 3


def test_what_is_wrong_is_said_with_the_url(tmp_path: Path, url: str, handler: type[Handler]) -> None:
    _, sha256 = written(tmp_path / "a.tar")
    with pytest.raises(ShardError, match=rf"{url}/b\.tar: cannot be read: HTTP Error 404"):
        RemoteShardReader(f"{url}/b.tar", sha256).keys()
    with pytest.raises(ShardError, match=rf"{url}/a\.tar: its SHA-256 is not that of the manifest"):
        list(RemoteShardReader(f"{url}/a.tar", "0" * 64).records(["k0"]))
    with pytest.raises(ShardError, match="unheard-of://a.tar: cannot be read: Protocol not known"):
        RemoteShardReader("unheard-of://a.tar", sha256).keys()
    with pytest.raises(ShardError, match="cannot be read: .*refused"):
        RemoteShardReader("http://127.0.0.1:9/a.tar", sha256).keys()


def test_other_stores_are_read_through_fsspec(tmp_path: Path) -> None:
    _, sha256 = written(tmp_path / "a.tar")
    fsspec.filesystem("memory").pipe("/shards/a.tar", (tmp_path / "a.tar").read_bytes())
    reader = RemoteShardReader("memory://shards/a.tar", sha256)
    assert [record.key for record in reader.records(["k1", "k2"])] == ["k1", "k2"]
