"""A cache's rows point at records by content, and another version is refused."""

from pathlib import Path

import numpy as np
import pytest

from hero_core.cache import OK, QUARANTINED, Cache, Row, record_key
from hero_core.errors import ConfigError, FingerprintError, InputError, ManifestError, ShardError
from hero_core.fingerprint import EncoderIdentity, FeatureIdentity
from hero_core.records import FeatureRecord, MotionRecord
from hero_core.shards import ArrayRecord, open_writer
from hero_core.storage import read_json, sha256_of_file, write_json


def identity(storage_dtype: str = "float32") -> FeatureIdentity:
    encoder = EncoderIdentity(name="e", architecture={"out_dim": 4}, weights_sha256="0")
    return FeatureIdentity(
        sampling="s",
        decoding="d",
        resize="r",
        normalisation="n",
        encoder=encoder,
        dtype="float32",
        storage_dtype=storage_dtype,
        batch_clips=1,
    )


def row(cache: Cache, kind: str, key: str, **values: object) -> Row:
    made_by = identity().id if kind == "features" else "m"
    facts: Row = {"key": key, "kind": kind, "path": f"{key}.x", "warnings": [], "made_by": made_by}
    return facts | {"status": OK, "sha256": f"content of {key}"} | values


def fill(cache: Cache) -> tuple[FeatureRecord, MotionRecord]:
    """One record of each kind."""
    rng = np.random.default_rng(0)
    features = FeatureRecord.of(rng.normal(size=(3, 4)).astype(np.float32), np.arange(3.0))
    motion = MotionRecord(rng.normal(size=(7, 263)).astype(np.float32))
    for kind, record in (("features", features), ("motions", motion)):
        written = row(cache, kind, "a")
        written["record"] = record_key(written["sha256"], written["made_by"])
        written["shard"] = f"{kind}-00000.tar"
        with open_writer(cache.shard_path(written["shard"])) as writer:
            writer.write(ArrayRecord(written["record"], record.arrays()))
        written["shard_sha256"] = sha256_of_file(cache.shard_path(written["shard"]))
        cache.write_part(kind, 0, [written])  # type: ignore[arg-type]
    return features, motion


def test_round_trip_of_both_kinds(tmp_path: Path) -> None:
    cache = Cache.create_or_resume(tmp_path / "c", identity(), {"name": "test"})
    features, motion = fill(cache)
    again = Cache.open(tmp_path / "c")
    assert again.identity == identity()
    found = again.features(again.rows("features")["a"])
    np.testing.assert_array_equal(found.frames, features.frames)
    np.testing.assert_array_equal(found.global_feature, features.frames.mean(axis=0))
    np.testing.assert_array_equal(again.motion(again.rows("motions")["a"]).vectors, motion.vectors)


def test_newer_rows_replace_older_ones_and_quarantine_is_listed(tmp_path: Path) -> None:
    cache = Cache.create_or_resume(tmp_path / "c", None, {})
    fill(cache)
    bad = row(cache, "motions", "a", status=QUARANTINED, stage="motion", reason="NaN, everywhere")
    cache.write_part("motions", cache.next_part("motions"), [bad])
    assert cache.next_part("motions") == 2
    assert cache.rows("motions", ("key", "reason")) == {"a": {"key": "a", "reason": "NaN, everywhere"}}
    cache.write_quarantine()
    assert cache.quarantine_path.read_text() == 'path,stage,reason\na.x,motion,"NaN, everywhere"\n'


def test_parts_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """Also where these have more digits than others; what is no part is passed over."""
    cache = Cache.create_or_resume(tmp_path / "c", None, {})
    for number in (100_000, 99_999):
        cache.write_part("motions", number, [row(cache, "motions", "a", reason=str(number))])
    (tmp_path / "c" / "manifest" / "motions-00000 (copy).parquet").write_text("")
    assert cache.rows("motions")["a"]["reason"] == "100000"
    assert cache.next_part("motions") == 100_001


def test_a_row_of_another_content_or_shard_is_refused(tmp_path: Path) -> None:
    cache = Cache.create_or_resume(tmp_path / "c", identity(), {})
    fill(cache)
    good = cache.rows("features")["a"]
    with pytest.raises(FingerprintError, match="another file"):
        cache.features(good | {"sha256": "other"})
    moved = good | {"sha256": "other", "record": record_key("other", good["made_by"])}
    with pytest.raises(ShardError, match=r"features-00000\.tar"):
        cache.features(moved)


def test_identity_must_agree_and_versions_too(tmp_path: Path) -> None:
    Cache.create_or_resume(tmp_path / "c", identity(), {})
    with pytest.raises(FingerprintError, match="storage_dtype: float32 != float16"):
        Cache.create_or_resume(tmp_path / "c", identity("float16"), {})
    assert Cache.create_or_resume(tmp_path / "c", None, {}).identity == identity()
    values = read_json(tmp_path / "c" / "cache.json")
    write_json(tmp_path / "c" / "cache.json", values | {"schema": "hero-cache/1"})
    with pytest.raises(ManifestError, match="make it anew in another folder: hero-pipeline extract"):
        Cache.open(tmp_path / "c")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("")
    with pytest.raises(InputError, match="not empty and not a cache"):
        Cache.create_or_resume(tmp_path / "other", None, {})


@pytest.mark.parametrize("text", ["{'a': 1}", "[]", "1"])
def test_a_provenance_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    cache = Cache.create_or_resume(tmp_path / "c", identity(), {"name": "test"})
    cache.write_part("features", 0, [row(cache, "features", "a", provenance=text)])
    with pytest.raises((ManifestError, ConfigError), match=str(tmp_path / "c" / "manifest")):
        cache.provenances()
