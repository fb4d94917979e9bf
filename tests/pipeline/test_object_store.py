"""A cache in an object store is the one that a folder would hold, whatever happens on the way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hero_core.mirror import Mirror, Place
from hero_core.stores import Store
from pipeline.config import ExtractConfig, PairsConfig
from pipeline.dry_run import dry_run
from pipeline.encoders import Encoder
from pipeline.extract import extract
from pipeline.merge import merge
from pipeline.pairs import build_pairs
from pipeline.selection import Part
from pipeline.sources import open_source
from tests.pipeline.conftest import EXTRACT, make_source
from tests.s3 import Failing, s3_server

CONFIG: ExtractConfig = EXTRACT.model_copy(update={"clips_per_shard": 2, "motions_per_shard": 4})


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Failing]]:
    with s3_server() as served:
        yield served


@pytest.fixture
def url(server: tuple[str, Failing], request: pytest.FixtureRequest) -> str:
    server[1].every = None
    return server[0].replace("folder", request.node.name)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = make_source(tmp_path / "s", videos=6)
    (folder / "videos" / "05.mp4").write_bytes(b"no video")
    return folder


def local(source: Path, out: Path, encoder: Encoder) -> dict[str, bytes]:
    extract(open_source(source), out, encoder, CONFIG)
    return contents(out)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def remote(url: str, folder: Path) -> dict[str, bytes]:
    store = Store(url)
    for name in store.names(""):
        store.get(name, folder / name)
    return contents(folder)


def mirror_of(url: str, folder: Path, most_bytes: int = 10**9) -> Mirror:
    return Mirror(Store(url), folder, most_bytes)


def test_the_same_bytes_as_in_a_folder(
    source: Path, url: str, server: tuple[str, Failing], tmp_path: Path, tiny_encoder: Encoder
) -> None:
    server[1].every = 5  # and the store fails now and then
    work = tmp_path / "work"
    extract(open_source(source), work, tiny_encoder, CONFIG, mirror=mirror_of(url, work))
    assert remote(url, tmp_path / "fetched") == local(source, tmp_path / "whole", tiny_encoder)
    assert list((work / "shards").iterdir()) == []  # nothing large stays here


def test_killed_before_any_file_is_sent_it_goes_on_elsewhere(
    source: Path, url: str, tmp_path: Path, tiny_encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = local(source, tmp_path / "whole", tiny_encoder)
    sent = Store.put
    for attempt in range(len(whole) + 1):
        left = [2]  # every attempt sends two more files, and then the machine is gone

        def put(store: Store, path: Path, name: str, left: list[int] = left) -> None:
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            sent(store, path, name)

        work = tmp_path / f"machine-{attempt}"
        with monkeypatch.context() as patched:
            patched.setattr(Store, "put", put)
            try:
                extract(open_source(source), work, tiny_encoder, CONFIG, mirror=mirror_of(url, work))
            except KeyboardInterrupt:
                continue
        break
    work = tmp_path / "last"
    extract(open_source(source), work, tiny_encoder, CONFIG, mirror=mirror_of(url, work))
    assert remote(url, tmp_path / "fetched") == whole


def test_merged_parts_in_the_store_have_the_same_bytes(
    source: Path, url: str, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    def place(name: str, folder: str) -> Place:
        return Place(tmp_path / folder, mirror_of(url.replace("?", f"/{name}?"), tmp_path / folder))

    for number in (1, 2):
        folder, mirror = place(f"part-{number}", f"made-{number}")
        extract(open_source(source), folder, tiny_encoder, CONFIG, mirror=mirror, part=Part(number, 2))
    parts = [place(f"part-{number}", f"read-{number}") for number in (1, 2)]
    merge(parts, place("merged", "merging"))
    whole = local(source, tmp_path / "whole", tiny_encoder)
    assert remote(url.replace("?", "/merged?"), tmp_path / "fetched") == whole
    assert merge(parts, place("merged", "again")).rows == 0
    assert remote(url.replace("?", "/merged?"), tmp_path / "fetched") == whole
    assert list((tmp_path / "merging" / "shards").iterdir()) == []


def test_pairs_are_built_from_it_with_little_room(
    source: Path, url: str, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    local(source, tmp_path / "whole", tiny_encoder)
    work = tmp_path / "work"
    extract(open_source(source), work, tiny_encoder, CONFIG, mirror=mirror_of(url, work))
    build_pairs(open_source(source), tmp_path / "whole", tmp_path / "one", PairsConfig())
    other = tmp_path / "other"
    build_pairs(open_source(source), other, tmp_path / "two", PairsConfig(), mirror=mirror_of(url, other, 1))
    shards = [contents(tmp_path / name / "shards") for name in ("one", "two")]
    assert shards[0] == shards[1]
    assert len(list((other / "shards").iterdir())) == 1


def test_what_is_left_to_do_is_known_from_the_store(
    source: Path, url: str, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    work = tmp_path / "work"
    extract(open_source(source), work, tiny_encoder, CONFIG, mirror=mirror_of(url, work))
    other = tmp_path / "other"
    planned = dry_run(open_source(source), other, tiny_encoder, CONFIG, mirror_of(url, other))
    assert [each.todo for each in planned] == [0, 0]


def test_a_place_is_a_folder_or_lives_in_a_store(tmp_path: Path) -> None:
    assert Place.of("data/cache", tmp_path) == (Path("data/cache"), None)
    place = Place.of("s3://bucket/cache?region=us-east-1", tmp_path)
    assert place.folder.parent == tmp_path
    assert place.mirror is not None
    assert place.folder == Place.of("s3://bucket/cache?region=us-east-1", tmp_path).folder
    assert place.folder != Place.of("s3://bucket/other?region=us-east-1", tmp_path).folder
