"""Caches that share the work become the cache that one machine makes, byte for byte."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from numpy.testing import assert_array_equal

from hero_core.cache import KINDS, OK, Cache, Row
from hero_core.errors import FingerprintError, InputError, ManifestError, ShardError
from hero_core.manifest import CACHE
from hero_core.mirror import Place
from pipeline.config import ExtractConfig
from pipeline.encoders import Encoder
from pipeline.extract import extract
from pipeline.merge import MergeReport
from pipeline.merge import merge as merge_places
from pipeline.selection import Part, select
from pipeline.sources import open_source
from pipeline.verify import verify
from tests.pipeline.conftest import EXTRACT, make_source, make_video

CONFIG: ExtractConfig = EXTRACT.model_copy(update={"clips_per_shard": 2, "motions_per_shard": 2})
PLACE = ("shard", "shard_sha256")
PARTS = 3


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = make_source(tmp_path / "s", videos=9)
    (folder / "videos" / "08.mp4").write_bytes(b"no video")
    (folder / "videos" / "07.mp4").write_bytes((folder / "videos" / "00.mp4").read_bytes())
    return folder


def merge(folders: list[Path], out: Path) -> MergeReport:
    return merge_places([Place(folder) for folder in folders], Place(out))


def make(source: Path, out: Path, encoder: Encoder, part: Part | None = None) -> Path:
    extract(open_source(source), out, encoder, CONFIG, part=part)
    return out


def make_parts(source: Path, root: Path, encoder: Encoder) -> list[Path]:
    return [
        make(source, root / f"part-{number}", encoder, Part(number, PARTS)) for number in range(1, PARTS + 1)
    ]


def rows_of(folder: Path) -> dict[tuple[str, str], Row]:
    cache = Cache.open(folder)
    return {
        (kind, key): {name: row[name] for name in CACHE.names if name not in PLACE}
        for kind in KINDS
        for key, row in cache.rows(kind).items()
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def arrays_of(cache: Cache, kind: str, row: Row) -> list[Any]:
    if kind == "motions":
        return [cache.motion(row).vectors]
    features = cache.features(row)
    return [features.frames, features.global_feature, features.timestamps_seconds]


def test_merged_parts_are_the_whole(source: Path, tmp_path: Path, tiny_encoder: Encoder) -> None:
    whole = make(source, tmp_path / "whole", tiny_encoder)
    done = merge(make_parts(source, tmp_path, tiny_encoder), tmp_path / "merged")
    assert rows_of(tmp_path / "merged") == rows_of(whole)
    assert (done.rows, done.kept) == (len(rows_of(whole)), 0)
    one, other = Cache.open(whole), Cache.open(tmp_path / "merged")
    for kind in KINDS:
        theirs = other.rows(kind)
        for key, row in one.rows(kind).items():
            if row["status"] == OK:
                for left, right in zip(
                    arrays_of(one, kind, row), arrays_of(other, kind, theirs[key]), strict=True
                ):
                    assert_array_equal(left, right)
    listed = (folder / "quarantine.csv" for folder in (whole, tmp_path / "merged"))
    assert len({path.read_text() for path in listed}) == 1
    assert list(verify(tmp_path / "merged").problems) == []


def test_merged_parts_have_the_bytes_of_the_whole(
    source: Path, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    whole, parts = make(source, tmp_path / "whole", tiny_encoder), make_parts(source, tmp_path, tiny_encoder)
    assert merge(parts, tmp_path / "merged").notes == []
    assert contents(tmp_path / "merged") == contents(whole)
    assert merge(parts[::-1], tmp_path / "backwards").rows == len(rows_of(whole))
    assert contents(tmp_path / "backwards") == contents(whole)


def test_what_no_part_made_is_made_where_they_are_merged(
    source: Path, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    whole, parts = make(source, tmp_path / "whole", tiny_encoder), make_parts(source, tmp_path, tiny_encoder)
    merged = tmp_path / "merged"
    (note,) = merge(parts[1:], merged).notes
    assert "4 shards of the plan are in none of these caches" in note
    make(source, merged, tiny_encoder)
    assert contents(merged) == contents(whole)
    assert merge(parts, merged).rows == 0
    assert contents(merged) == contents(whole)


def test_what_is_new_can_be_shared_by_machines_that_know_the_merged_rows(
    source: Path, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    whole, merged = make(source, tmp_path / "whole", tiny_encoder), tmp_path / "merged"
    first = make_parts(source, tmp_path, tiny_encoder)
    merge(first, merged)
    for index in range(10, 15):
        make_video(source / "videos" / f"{index}.mp4", index, frames=8)
    (source / "videos" / "15.mp4").write_bytes((source / "videos" / "03.mp4").read_bytes())
    with (source / "pairs.csv").open("a") as file:
        file.writelines(f"videos/{index}.mp4,motions/00_0.npy,human-human,a,,,\n" for index in range(10, 16))
    parts = [tmp_path / f"next-{number}" for number in (1, 2)]
    for number, part in enumerate(parts, 1):
        for name in ("cache.json", "plan.parquet", "manifest"):  # its rows, without its shards
            copy = shutil.copytree if (merged / name).is_dir() else shutil.copy
            part.mkdir(exist_ok=True)
            copy(merged / name, part / name)
        make(source, part, tiny_encoder, Part(number, 2))
    with pytest.raises(ShardError, match="missing; merge the cache that has it, too"):
        merge(parts, tmp_path / "without-it")
    for name, places in (
        ("after", [merged, *parts]),
        ("before", [*parts, merged]),
        ("at-once", first + parts),
    ):
        assert merge(places, tmp_path / name).notes == []
    assert merge(parts, merged).rows == 6
    make(source, whole, tiny_encoder)
    for name in ("merged", "after", "before", "at-once"):
        assert contents(tmp_path / name) == contents(whole)
    assert merge(first, merged).notes == []  # an older state of what is there
    assert contents(merged) == contents(whole)
    assert Cache.open(whole).rows("features")["videos__15-mp4"]["shard"] == "features-00001.tar"


def test_caches_that_were_planned_apart_are_numbered_anew(
    source: Path, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    opened = open_source(source)
    for name, limit in (("few", 3), ("all", None)):
        extract(select(opened, limit=limit), tmp_path / name, tiny_encoder, CONFIG)
    (note,) = merge([tmp_path / "few", tmp_path / "all"], tmp_path / "merged").notes
    assert "numbered anew" in note
    assert rows_of(tmp_path / "merged") == rows_of(tmp_path / "all")
    assert list(verify(tmp_path / "merged").problems) == []
    state = extract(opened, tmp_path / "merged", tiny_encoder, CONFIG)
    assert state.kept == state.inputs


def test_shards_of_caches_that_were_planned_apart_are_taken_from_the_one_that_has_them(
    source: Path, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    whole, few = make(source, tmp_path / "whole", tiny_encoder), tmp_path / "few"
    extract(select(open_source(source), limit=3), few, tiny_encoder, CONFIG)
    begun = tmp_path / "begun"
    shutil.copytree(whole, begun, ignore=shutil.ignore_patterns("shards"))
    (note,) = merge([whole, few, begun], tmp_path / "merged").notes
    assert "numbered anew" in note
    assert rows_of(tmp_path / "merged") == rows_of(whole)
    assert list(verify(tmp_path / "merged").problems) == []


def test_a_merge_over_a_damaged_part_leaves_the_plan(
    source: Path, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    parts, merged = make_parts(source, tmp_path, tiny_encoder), tmp_path / "merged"
    merge(parts, merged)
    before = (merged / "plan.parquet").read_bytes()
    part = merged / "manifest" / "motions-00000.parquet"
    part.write_bytes(part.read_bytes()[:-1] + b"!")
    with pytest.raises(ManifestError, match=f"{part.name}: damaged"):
        merge(parts, merged)
    assert (merged / "plan.parquet").read_bytes() == before


def test_nothing_is_left_to_extract_or_to_merge(source: Path, tmp_path: Path, tiny_encoder: Encoder) -> None:
    parts, merged = make_parts(source, tmp_path, tiny_encoder), tmp_path / "merged"
    merge(parts, merged)
    before = contents(merged)
    again = merge(parts, merged)
    assert (again.rows, again.shards) == (0, 0)
    assert contents(merged) == before
    state = extract(open_source(source), merged, tiny_encoder, CONFIG)
    assert state.kept == state.inputs


def test_a_merge_that_was_killed_goes_on(source: Path, tmp_path: Path, tiny_encoder: Encoder) -> None:
    parts = make_parts(source, tmp_path, tiny_encoder)
    merge(parts, tmp_path / "merged")
    merge(parts, tmp_path / "killed")
    last = sorted((tmp_path / "killed" / "manifest").iterdir())[-1]
    last.unlink()  # its shard is there, its rows are not
    merge(parts, tmp_path / "killed")
    assert contents(tmp_path / "killed") == contents(tmp_path / "merged")


def test_what_grew_is_added(source: Path, tmp_path: Path, tiny_encoder: Encoder) -> None:
    parts, merged = make_parts(source, tmp_path, tiny_encoder), tmp_path / "merged"
    merge(parts[:2], merged)
    done = merge(parts, merged)
    assert done.rows > 0
    assert rows_of(merged).keys() == rows_of(make(source, tmp_path / "whole", tiny_encoder)).keys()


def test_of_an_input_that_changed_only_the_newest_row_counts(
    source: Path, tmp_path: Path, tiny_encoder: Encoder
) -> None:
    first = make(source, tmp_path / "first", tiny_encoder)
    (source / "videos" / "01.mp4").write_bytes((source / "videos" / "02.mp4").read_bytes())
    second = make(source, tmp_path / "second", tiny_encoder)  # another cache, with the changed video
    (source / "videos" / "01.mp4").write_bytes((source / "videos" / "03.mp4").read_bytes())
    make(source, second, tiny_encoder)  # which then changed again
    merged = tmp_path / "merged"
    merge([first, second], merged)
    assert rows_of(merged) == rows_of(second)
    before = contents(merged)
    assert merge([first, second], merged).rows == 0
    assert contents(merged) == before


def test_what_cannot_be_merged_is_said(source: Path, tmp_path: Path, tiny_encoder: Encoder) -> None:
    part = make(source, tmp_path / "part", tiny_encoder)
    with pytest.raises(InputError, match="into itself"):
        merge([part], part)
    with pytest.raises(InputError, match="no cache here"):
        merge([tmp_path / "nothing"], tmp_path / "merged")
    halves = CONFIG.model_copy(update={"storage_dtype": "float16"})
    extract(open_source(source), tmp_path / "half", tiny_encoder, halves)
    with pytest.raises(FingerprintError, match="made in another way"):
        merge([part, tmp_path / "half"], tmp_path / "merged")
    shard = next((part / "shards").glob("features-*"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"!")
    with pytest.raises(ShardError, match=f"{shard.name}.*repair"):
        merge([part], tmp_path / "damaged")
