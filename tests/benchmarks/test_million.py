"""The benchmark of large manifests does what it says, on a small one."""

from pathlib import Path

from benchmarks import million


def test_the_steps_agree_on_what_there_is(tmp_path: Path) -> None:
    said = {step: do(tmp_path / "c", 250, 64) for step, do in million.STEPS.items()}
    assert said["plan"].startswith("250 clips in 4 shards planned")
    assert said["half"].startswith("2 parts written")
    assert said["rest"].startswith("2 parts written")
    assert said["again"] == "250 of 250 kept, 3 in quarantine"
    assert said["verify"] == "250 rows, 4 shards named, 0 problems"
