"""What commands and settings choose from, by name, apart from what is named: so ``--help`` loads nothing heavy."""

from collections.abc import Mapping
from typing import Literal, get_args

DeviceName = Literal["auto", "cpu", "cuda"]

ShardFormat = Literal["tar", "h5"]
SHARD_FORMATS: tuple[ShardFormat, ...] = get_args(ShardFormat)

UpAxis = Literal["y", "z"]
Unit = Literal["m", "cm", "mm", "inch"]

ExportFormat = Literal["bvh", "glb", "vrma", "smpl", "csv"]
EXPORT_SUFFIXES: Mapping[ExportFormat, str] = {
    "bvh": ".bvh",
    "glb": ".glb",
    "vrma": ".vrma",
    "smpl": ".smpl.npz",
    "csv": ".csv",
}
"""How the names of the files end, by format."""

Which = Literal["best", "last"]
"""Checkpoints that a run keeps of each part."""

PublishedWhich = Literal["best", "latest"]
"""Files that a release has of each model."""

PUBLISHED: Mapping[str, str] = {
    "hero": "HERO",
    "momask": "MoMask",
    "bamm": "BAMM",
    "t2mgpt": "T2M-GPT",
    "mdm": "MDM",
    "mld": "MLD",
}
"""Of the generators of which weights can be imported, what people call them."""

EVALUATOR = "evaluator"
JOINT_EVALUATOR = "joint_evaluator"
