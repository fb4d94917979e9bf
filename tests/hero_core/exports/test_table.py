import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hero_core.exports.table import write_joint_table
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import JOINT_NAMES


def test_a_spreadsheet_reads_each_joint_of_each_frame(
    tmp_path: Path, make_motion: Callable[..., Array]
) -> None:
    joints = make_motion(frames=7)
    error_m = write_joint_table(tmp_path / "motion.csv", joints, 20)
    with (tmp_path / "motion.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["frame"] for row in rows] == list("0123456")
    assert [float(row["seconds"]) for row in rows] == [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]
    back = np.array(
        [[[float(row[f"{name}_{axis}"]) for axis in "xyz"] for name in JOINT_NAMES] for row in rows]
    )
    assert np.linalg.norm(back - joints, axis=-1).max() <= error_m + 1e-15
    assert error_m < 1e-6
    assert len(rows[0]) == 2 + 66
