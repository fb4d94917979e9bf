"""What a shard holds follows from its inputs and from what is older."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hero_core.cache import OK, QUARANTINED, Cache, record_key
from hero_core.records import MotionRecord
from hero_core.storage import sha256_of_file
from pipeline.earlier import Earlier
from pipeline.engines.work import Recipe
from pipeline.motions import LoadedMotion
from pipeline.shard import ShardContent
from pipeline.workers import Input, Outcome

RECIPE = Recipe(
    kind="motions",
    inputs=[],
    stage="motion",
    awaited="",
    read=Outcome,
    finish=lambda outcomes: iter(()),
    finishing="",
    encodes_on=None,
    batch=1,
    per_shard=2,
    provenance=None,
)
MOTION = MotionRecord(np.zeros((30, 263), np.float32))
NAME = "motions-00003.tar"


def outcome_of(key: str, content: str) -> Outcome:
    item = Input(key, Path(f"{key}.npy"), f"{key}.npy", "m")
    return Outcome(item, content, 1, 2, content=LoadedMotion(MOTION, ("odd",)))


def without_record(outcome: Outcome, **values: object) -> Outcome:
    return replace(outcome, content=None, **values)  # type: ignore[arg-type]


@pytest.fixture
def earlier(tmp_path: Path) -> Earlier:
    """An older plan made content ``old``, and quarantined content ``bad`` of input ``b``."""
    cache = Cache.create_or_resume(tmp_path / "cache", None, {})
    content = ShardContent("motions-00000.tar", RECIPE, Earlier.read([]))
    content.add(outcome_of("a", "old"), MOTION)
    content.add(without_record(outcome_of("b", "bad"), stage="motion", reason="no person"), None)
    (tmp_path / "shard").write_bytes(b"bytes")
    cache.write_part("motions", 0, content.finish(tmp_path / "shard"))
    return Earlier.read(cache.parts("motions"))


def test_what_is_new_is_in_the_shard_once(earlier: Earlier, tmp_path: Path) -> None:
    content = ShardContent(NAME, RECIPE, earlier)
    first, second = outcome_of("c", "new"), outcome_of("d", "new")
    assert content.is_empty
    assert not content.is_made(first)
    made = content.add(first, MOTION)
    assert made is not None
    assert made.key == record_key("new", "m")
    assert content.is_made(second)
    assert content.add(second, MOTION) is None
    assert not content.is_empty
    (tmp_path / NAME).write_bytes(b"the shard")
    rows = content.finish(tmp_path / NAME)
    assert [(row["key"], row["status"], row["warnings"], row["frames"]) for row in rows] == [
        ("c", OK, ["odd"], 30),
        ("d", OK, ["odd"], 30),
    ]
    assert {(row["shard"], row["shard_sha256"]) for row in rows} == {(NAME, sha256_of_file(tmp_path / NAME))}


def test_what_is_older_is_pointed_to(earlier: Earlier, tmp_path: Path) -> None:
    content = ShardContent(NAME, RECIPE, earlier)
    moved, quarantined = outcome_of("moved", "old"), without_record(outcome_of("b", "bad"), unchanged=True)
    assert content.is_made(moved)
    assert not content.is_made(quarantined)
    assert content.add(moved, None) is None
    assert content.add(quarantined, None) is None
    assert content.is_empty
    rows = content.finish(tmp_path / "not there")
    assert (rows[0]["shard"], rows[0]["status"]) == ("motions-00000.tar", OK)
    assert rows[0]["shard_sha256"] == sha256_of_file(tmp_path / "shard")
    assert (rows[1]["status"], rows[1]["reason"], rows[1].get("shard")) == (QUARANTINED, "no person", None)


def test_what_could_not_be_read_is_a_row(earlier: Earlier) -> None:
    content = ShardContent(NAME, RECIPE, earlier)
    item = Input("gone", Path("gone.npy"), "gone.npy", "m")
    outcome = Outcome(item, stage="open", reason="no such file")
    assert not content.is_made(outcome)
    assert content.add(outcome, None) is None
    assert content.rows[0]["reason"] == "no such file"
