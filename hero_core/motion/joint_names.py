"""The 22 joints as other skeletons call them; ``joint_names.csv`` beside this file is the list."""

import csv
from importlib import resources
from typing import Literal

SkeletonName = Literal["humanml3d", "mixamo", "smpl", "unreal", "vrm"]


def joint_names(skeleton: SkeletonName) -> tuple[str, ...]:
    """The names of the 22 joints, in HumanML3D's order."""
    text = resources.files("hero_core.motion").joinpath("joint_names.csv").read_text(encoding="utf-8")
    return tuple(row[skeleton] for row in csv.DictReader(text.splitlines()))
