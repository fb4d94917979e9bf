"""The benchmark of large manifests does what it says, on a small one."""

from pathlib import Path

from benchmarks import million


def test_the_steps_agree_on_what_there_is(tmp_path: Path) -> None:
    said = {step: do(tmp_path / "c", 250, 64) for step, do in million.STEPS.items()}
    assert said["write"].startswith("4 parts written")
    assert said["plan"] == "500 inputs listed, 250 to do"
    assert said["resume"].startswith("250 rows, 247 records")
    assert said["verify"] == "250 rows, 4 shards named, 0 problems"
