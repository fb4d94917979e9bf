"""A source in an object store gives what the same files in a folder give, and little of it is here at a time."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hero_core.cli import EXIT_QUARANTINED
from hero_core.errors import InputError, OutputError
from hero_core.stores import Store
from pipeline.cli import app
from pipeline.config import ExtractConfig
from pipeline.encoders import Encoder
from pipeline.engines.lending import lending
from pipeline.extract import extract
from pipeline.sources import open_source, source_at
from pipeline.sources.stored import StoredFolder
from pipeline.workers import Input
from tests.pipeline.conftest import EXTRACT, make_release, make_source
from tests.s3 import Failing, s3_server

CONFIG: ExtractConfig = EXTRACT.model_copy(
    update={"clips_per_shard": 2, "motions_per_shard": 4, "workers": 2}
)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Failing]]:
    with s3_server() as served:
        yield served


@pytest.fixture
def url(server: tuple[str, Failing], request: pytest.FixtureRequest) -> str:
    """Of a folder that is named as the one of the source here."""
    server[1].every = None
    return server[0].replace("folder", f"{request.node.name}/s")


@pytest.fixture
def source(tmp_path: Path, url: str) -> Path:
    """Six videos, one of them broken and one missing, and their motions; the same in the store, at the same time."""
    folder = make_source(tmp_path / "s", videos=6)
    (folder / "videos" / "04.mp4").unlink()
    (folder / "videos" / "05.mp4").write_bytes(b"no video")
    send(folder, url)
    return folder


def send(folder: Path, url: str) -> None:
    store = Store(url)
    for path in folder.rglob("*"):
        if path.is_file():
            store.put(path, path.relative_to(folder).as_posix())
    for file in store.files(""):
        os.utime(folder / file.name, ns=(file.modified_ns, file.modified_ns))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def taken(folder: Path) -> list[str]:
    """Files that take room."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.stat().st_blocks)


def test_the_same_bytes_as_of_a_folder_but_for_its_place(
    source: Path, url: str, server: tuple[str, Failing], tmp_path: Path, tiny_encoder: Encoder
) -> None:
    extract(open_source(source), tmp_path / "local", tiny_encoder, CONFIG)
    server[1].every = 7  # and the store fails now and then
    with source_at(url, tmp_path / "work") as place:
        report = extract(place.open(), tmp_path / "stored", tiny_encoder, CONFIG)
        assert taken(place.path) == ["pairs.csv"]
    assert (report.inputs, report.ok, report.quarantined) == (12, 10, 2)
    local, stored = contents(tmp_path / "local"), contents(tmp_path / "stored")
    descriptions = [json.loads(files.pop("cache.json")) for files in (local, stored)]
    assert stored == local
    opened = [description["source"].pop("opened") for description in descriptions]
    assert opened == [str(source), url.replace("key:secret@", "")]
    assert descriptions[0]["source"] == descriptions[1]["source"]
    assert list((tmp_path / "work").rglob("*.mp4")) == []


def test_what_is_done_is_not_fetched_again(
    source: Path, url: str, server: tuple[str, Failing], tmp_path: Path, tiny_encoder: Encoder
) -> None:
    asked = []
    for kept in (0, 12):
        before = server[1].requests
        with source_at(url, tmp_path / "work") as place:
            assert extract(place.open(), tmp_path / "cache", tiny_encoder, CONFIG).kept == kept
        asked.append(server[1].requests - before)
    assert asked[0] - asked[1] >= 11  # files; what is left is listed, and pairs.csv


def test_a_new_file_of_the_store_is_extracted_alone(
    source: Path, url: str, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    with source_at(url, tmp_path / "work") as place:
        extract(place.open(), tmp_path / "cache", tiny_encoder, CONFIG)
    Store(url).put(source / "videos" / "00.mp4", "videos/04.mp4")
    with source_at(url, tmp_path / "work") as place:
        report = extract(place.open(), tmp_path / "cache", tiny_encoder, CONFIG)
    assert (report.ok, report.kept, report.kept_quarantined) == (1, 11, 1)


def test_a_store_that_stops_answering_puts_nothing_in_quarantine(
    source: Path, url: str, tmp_path: Path, tiny_encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract(open_source(source), tmp_path / "local", tiny_encoder, CONFIG)
    sent = Store.read

    def read(store: Store, name: str, path: Path) -> None:
        if name == "videos/03.mp4":
            path.write_bytes(b"half of it")
            raise InputError(f"{store.url}: {name} cannot be read: timeout")
        sent(store, name, path)

    with source_at(url, tmp_path / "work") as place, monkeypatch.context() as patched:
        patched.setattr(Store, "read", read)
        with pytest.raises(InputError, match="03.mp4 cannot be read: timeout"):
            extract(place.open(), tmp_path / "stored", tiny_encoder, CONFIG)
    with source_at(url, tmp_path / "work") as place:
        extract(place.open(), tmp_path / "stored", tiny_encoder, CONFIG)
    local, stored = contents(tmp_path / "local"), contents(tmp_path / "stored")
    assert local.keys() == stored.keys()
    assert all(local[name] == stored[name] for name in local if name != "cache.json")


def test_no_more_is_here_than_there_is_room_for(source: Path, url: str, tmp_path: Path) -> None:
    with source_at(url, tmp_path / "work") as place:
        opened = place.open()
        assert opened.stored is not None
        items = [Input(video.key, video.path, video.relative, "") for video in opened.videos]
        sizes = [item.path.stat().st_size if item.path.exists() else 0 for item in items]
        with lending(opened.stored, items, most_bytes=1) as lend:
            for item, size in zip(items, sizes, strict=True):
                with lend(item):
                    assert item.path.exists() == (size > 0)
                    if size:
                        assert item.path.read_bytes() == (source / item.relative).read_bytes()
                        assert taken(place.path) == sorted(["pairs.csv", item.path.name])
                assert not size or item.path.stat().st_size == size
        with lending(opened.stored, items, most_bytes=10**9) as lend:
            for item in items:
                with lend(item):
                    pass
        assert taken(place.path) == ["pairs.csv"]


def test_a_file_of_another_root_is_left_alone(source: Path, url: str, tmp_path: Path) -> None:
    mine = tmp_path / "other" / "mine.mp4"
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    stored = StoredFolder("s3://", Store(url), tmp_path / "folder")
    with lending(stored, [Input("mine", mine, "mine.mp4", "")]) as lend, lend(Input("mine", mine, "", "")):
        assert mine.read_bytes() == b"mine"
    assert mine.read_bytes() == b"mine"


def test_a_table_and_a_release_are_read_and_errors_name_the_store(url: str, tmp_path: Path) -> None:
    folder = make_source(tmp_path / "s", videos=2, rows="../leaves.mp4,,a,b,,,\n")
    send(folder, url)
    shown = url.replace("key:secret@", "")
    table = url.replace("?", "/pairs.csv?")
    with source_at(table, tmp_path / "work") as place, pytest.raises(InputError) as caught:
        place.open()
    assert str(tmp_path) not in str(caught.value)
    assert shown.replace("?", "/pairs.csv?") in str(caught.value)
    release = url.replace("/s?", "/release?")
    send(make_release(tmp_path / "release", videos=4), release)
    with source_at(release, tmp_path / "work") as place:
        opened = place.open()
    assert (opened.kind, opened.name, len(opened.videos)) == ("official lists", "release", 4)


def test_what_is_no_source_is_said(url: str, tmp_path: Path) -> None:
    with (
        source_at(url, tmp_path / "work") as place,
        pytest.raises(InputError, match="no videos and no motions"),
    ):
        place.open()
    with (
        pytest.raises(InputError, match="not a place in an object store"),
        source_at("s3://?region=x", tmp_path),
    ):
        pass


def test_one_process_at_a_time_reads_a_source(source: Path, url: str, tmp_path: Path) -> None:
    with source_at(url, tmp_path / "work"):
        with pytest.raises(OutputError, match="wait until it has ended"), source_at(url, tmp_path / "work"):
            pass
        with source_at(url, tmp_path / "other") as place:
            assert len(place.open().videos) == 6


def test_what_a_killed_run_left_is_gone(source: Path, url: str, tmp_path: Path) -> None:
    with source_at(url, tmp_path / "work") as place:
        pass
    assert not place.path.exists()
    left = place.path / "videos" / "left.mp4"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"fetched, and then killed")
    with source_at(url, tmp_path / "work") as place:
        assert not left.exists()
        assert len(place.open().videos) == 6


def test_names_that_no_file_can_have_are_refused(source: Path, url: str, tmp_path: Path) -> None:
    Store(url).put(source / "pairs.csv", "pairs.csv/inside.mp4")
    refused = pytest.raises(InputError, match=r"can be called 'pairs.csv/inside.mp4'")
    with refused, source_at(url, tmp_path / "work"):
        pass


def test_the_commands_read_it(source: Path, url: str, tmp_path: Path) -> None:
    def invoke(status: int, *words: object) -> None:
        result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
        assert result.exit_code == status, result.output

    work = ("--work", tmp_path / "work")
    cache = url.replace("/s?", "/cache?")
    invoke(0, "extract", url, cache, "--dry-run", *work)
    invoke(EXIT_QUARANTINED, "extract", url, cache, "--workers", 1, *work)
    made = tmp_path / "set"
    invoke(EXIT_QUARANTINED, "build-pairs", url, "--features", cache, "--out", made, *work)
    assert json.loads((made / "dataset.json").read_text())["name"] == "s"
    Store(cache).get("cache.json", tmp_path / "cache.json")
    recorded = json.loads((tmp_path / "cache.json").read_text())["source"]["opened"]
    assert recorded == url.replace("key:secret@", "")
