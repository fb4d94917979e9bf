"""What rows know of inputs and of records is looked up column by column, and is what the rows say."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hero_core.cache import OK, QUARANTINED, Cache, Row, record_key
from pipeline.earlier import Earlier
from pipeline.workers import Input

MADE_BY = "as now"


@pytest.fixture
def inputs(tmp_path: Path) -> list[Input]:
    """Files of 0 to 5 bytes, but for the last, which is not there."""
    paths = [tmp_path / f"{index}.mp4" for index in range(7)]
    for index, path in enumerate(paths[:-1]):
        path.write_bytes(b"x" * index)
    return [Input(f"k{index}", path, path.name, MADE_BY) for index, path in enumerate(paths)]


def row_of(item: Input, status: str = OK, **values: object) -> Row:
    found = item.path.stat() if item.path.exists() else None
    row: Row = {"key": item.key, "kind": "features", "path": item.relative, "status": status, "warnings": []}
    row |= {"made_by": item.made_by, "sha256": f"content {item.key}"}
    row |= {"bytes": found and found.st_size, "modified_ns": found and found.st_mtime_ns}
    if status == OK:
        row |= {"record": record_key(row["sha256"], item.made_by), "shard": "s"}
    return row | values


@pytest.fixture
def cache(tmp_path: Path, inputs: Sequence[Input]) -> Cache:
    """Input 0 has a row that a newer one replaced; 2 is in quarantine, 3 changed, 4 was made otherwise, 6 is gone."""
    cache = Cache.create_or_resume(tmp_path / "cache", None, {})
    cache.write_part("features", 0, [row_of(inputs[0], bytes=99), row_of(inputs[1])])
    quarantined = row_of(inputs[2], QUARANTINED, reason="bad")
    cache.write_part("features", 1, [quarantined, row_of(inputs[3], modified_ns=7), row_of(inputs[0])])
    other = row_of(replace(inputs[4], made_by="in another way"))
    cache.write_part("features", 10, [other, row_of(inputs[6], QUARANTINED, sha256=None)])
    return cache


def settled(earlier: Earlier, inputs: Sequence[Input], **rules: bool) -> list[int]:
    default = {"retry": False, "rehash": False, "unread": False}
    return np.flatnonzero(earlier.settled(inputs, **(default | rules))).tolist()


def test_a_row_settles_a_file_of_the_same_size_and_time_made_in_the_same_way(
    cache: Cache, inputs: Sequence[Input]
) -> None:
    earlier = Earlier.read(cache.parts("features"))
    assert settled(earlier, inputs) == [0, 1, 2, 6]
    assert settled(earlier, inputs, retry=True) == [0, 1]
    assert settled(earlier, inputs, rehash=True) == []
    assert settled(Earlier.read(cache.parts("features")[:1]), inputs) == [
        1
    ]  # the older row of the first is no match
    assert settled(Earlier.read([]), inputs) == []
    inputs[6].path.write_bytes(b"there now")
    assert settled(earlier, inputs) == [0, 1, 2]
    assert settled(earlier, inputs, unread=True) == [0, 1, 2, 6]


def test_what_is_still_no_plain_file_is_settled(cache: Cache, inputs: Sequence[Input]) -> None:
    """A folder or a pipe was not read, and is not tried again by every run."""
    inputs[6].path.mkdir()
    assert settled(Earlier.read(cache.parts("features")), inputs) == [0, 1, 2, 6]
    inputs[6].path.rmdir()
    inputs[6].path.touch()
    assert settled(Earlier.read(cache.parts("features")), inputs) == [0, 1, 2]


def test_the_known_content_is_that_of_the_newest_row(cache: Cache, inputs: Sequence[Input]) -> None:
    earlier = Earlier.read(cache.parts("features"))
    known = [item.known_sha256 for item in earlier.with_known_content(inputs, retry=False)]
    assert known == ["content k0", "content k1", "content k2", "content k3", None, None, None]
    retried = [item.known_sha256 for item in earlier.with_known_content(inputs, retry=True)]
    assert retried == ["content k0", "content k1", None, "content k3", None, None, None]
    assert earlier.with_known_content([], retry=False) == []


def test_rows_are_found_by_input_and_by_record(cache: Cache, inputs: Sequence[Input]) -> None:
    earlier = Earlier.read(cache.parts("features"))
    assert earlier.row_of_input("k2")["reason"] == "bad"
    assert earlier.row_of_input("k0")["bytes"] == 0
    record = record_key("content k3", MADE_BY)
    assert earlier.holds(record)
    found = earlier.row_of_record(record)
    assert found is not None
    assert found["key"] == "k3"
    for absent in ("", "0" * 32, "f" * 32, record_key("content k2", MADE_BY)):
        assert not earlier.holds(absent)
        assert earlier.row_of_record(absent) is None
    assert not Earlier.read([]).holds(record)


def test_what_is_older_is_what_it_was_before_newer_rows(cache: Cache, inputs: Sequence[Input]) -> None:
    before = Earlier.read(cache.parts("features")).before(1)
    alone = Earlier.read(cache.parts("features")[:1])
    assert settled(before, inputs) == settled(alone, inputs) == [1]
    for content in ("content k0", "content k1", "content k3"):
        record = record_key(content, MADE_BY)
        assert before.row_of_record(record) == alone.row_of_record(record)


def test_provenances_are_told_each_once(tmp_path: Path, inputs: Sequence[Input]) -> None:
    cache = Cache.create_or_resume(tmp_path / "cache", None, {})
    for number, made_where in enumerate(("here", "there", "here", None)):
        cache.write_part("features", number, [row_of(inputs[number], provenance=made_where)])
    assert set(Earlier.read(cache.parts("features")).provenances) == {"here", "there", None}


def test_of_inputs_with_one_record_the_first_is_named(tmp_path: Path, inputs: Sequence[Input]) -> None:
    cache = Cache.create_or_resume(tmp_path / "cache", None, {})
    same = record_key("same", MADE_BY)
    for number, shard in enumerate(("a", "b", "c")):
        cache.write_part(
            "features", number, [row_of(inputs[number], sha256="same", record=same, shard=shard)]
        )
    found = Earlier.read(cache.parts("features")).row_of_record(same)
    assert found is not None
    assert found["shard"] == "a"
