"""Joints as a table for spreadsheets."""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from hero_core.motion.humanml3d import check_joints
from hero_core.motion.skeleton import JOINT_NAMES
from hero_core.storage import write_csv

_COORDINATES = tuple(f"{name}_{axis}" for name in JOINT_NAMES for axis in "xyz")


def write_joint_table(path: Path, joints: ArrayLike, fps: float) -> float:
    """Write joints (n, 22, 3) as CSV: frame, seconds, then x, y and z of each joint in metres, to a micrometre.

    Returns the largest error in metres.

    Raises:
        InputError: not (n, 22, 3), or values that are not finite.
    """
    positions = check_joints(joints)
    rounded = positions.round(6)
    rows = (
        {"frame": frame, "seconds": f"{frame / fps:.6f}"}
        | dict(zip(_COORDINATES, (f"{value:.6f}" for value in pose.flat), strict=True))
        for frame, pose in enumerate(rounded)
    )
    write_csv(path, ("frame", "seconds", *_COORDINATES), rows)
    return float(np.linalg.norm(rounded - positions, axis=-1).max())
