"""Which inputs go into which shard is written down, the same for the same inputs."""

from pathlib import Path

from hero_core.cache import Cache
from hero_core.seal import seal_of_file
from pipeline.plan import PlannedShard, planned, read_plan, write_plan


def test_inputs_are_planned_in_their_order() -> None:
    shards = planned(list("abcdefg"), per_shard=3, first=5)
    assert shards == [
        PlannedShard(5, ("a", "b", "c")),
        PlannedShard(6, ("d", "e", "f")),
        PlannedShard(7, ("g",)),
    ]
    assert planned([], per_shard=3, first=5) == []


def test_a_plan_is_read_as_it_was_written_and_has_the_same_bytes(tmp_path: Path) -> None:
    features, motions = planned(list("abc"), 2, 4), planned(list("xyz"), 1, 0)
    caches = [Cache.create_or_resume(tmp_path / name, None, {}) for name in "ab"]
    assert read_plan(caches[0]) == {"features": [], "motions": []}
    write_plan(caches[0], {"features": features, "motions": motions})
    write_plan(caches[1], {"motions": motions, "features": features})
    assert read_plan(caches[0]) == {"features": features, "motions": motions}
    assert caches[0].plan_path.read_bytes() == caches[1].plan_path.read_bytes()
    assert seal_of_file(caches[0].plan_path) == "whole"
