import time
from collections.abc import Iterator

import pytest

from hero_core.errors import InputError, OutputError
from hero_core.stores import Store, is_remote, shown
from tests.s3 import Failing, s3_server


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Failing]]:
    with s3_server() as served:
        yield served


@pytest.fixture
def store(server, request) -> Store:
    url, failing = server
    failing.every = None
    return Store(url.replace("folder", request.node.name))


def test_which_places_are_remote() -> None:
    assert is_remote("s3://bucket/a")
    assert is_remote("gs://bucket")
    assert not is_remote("data/cache")
    assert not is_remote("/data/s3:/cache")


def test_keys_are_not_shown(store, tmp_path) -> None:
    assert shown("s3://key:secret@bucket/a?region=b") == "s3://bucket/a?region=b"
    assert shown("data/a@b") == "data/a@b"
    with pytest.raises(InputError) as raised:
        store.get("nothing", tmp_path / "copy")
    assert "secret" not in str(raised.value)


def test_files_go_and_come_back(store, tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    store.put(tmp_path / "a", "shards/a")
    store.put(tmp_path / "a", "b")
    assert store.names("") == ["b", "shards/a"]
    assert store.names("shards") == ["shards/a"]
    assert store.names("none") == []
    store.get("shards/a", tmp_path / "new" / "copy")
    assert (tmp_path / "new" / "copy").read_bytes() == b"x" * 100_000


def test_a_server_that_fails_now_and_then_is_asked_again(store, server, tmp_path) -> None:
    _, failing = server
    failing.every = 3
    for number in range(6):
        (tmp_path / "a").write_bytes(bytes([number]) * 10_000)
        store.put(tmp_path / "a", f"a{number}")
    for number in range(6):
        store.get(f"a{number}", tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == bytes([number]) * 10_000


def test_files_are_listed_with_size_and_time(store, tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1000)
    before = time.time_ns()
    store.put(tmp_path / "a", "deep/er/a")
    (file,) = store.files("")
    assert (file.name, file.bytes) == ("deep/er/a", 1000)
    assert abs(file.modified_ns - before) < 60e9


def test_a_file_smaller_than_an_error_is_asked_for_again(store, server, tmp_path) -> None:
    """The library below gives up then."""
    (tmp_path / "a").write_bytes(b"x")
    store.put(tmp_path / "a", "a")
    server[1].every = 5
    for _ in range(6):
        store.get("a", tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == b"x"


def test_a_server_that_does_not_answer_in_time_is_asked_again(store, server, tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 10_000)
    store.put(tmp_path / "a", "a")
    server[1].late = 1
    store.get("a", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"x" * 10_000


def test_what_is_not_there_is_named(store, tmp_path) -> None:
    with pytest.raises(InputError, match="s3://.*shards/a cannot be read"):
        store.get("shards/a", tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match="nowhere"):
        store.put(tmp_path / "nowhere", "a")


def test_a_place_that_is_none() -> None:
    with pytest.raises(InputError, match="not a place in an object store"):
        Store("s3://")
