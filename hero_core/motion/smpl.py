"""Joint positions from SMPL-family parameters (SMPL, SMPL-H, SMPL-X), as AMASS distributes them.

The body model is the user's own file under its own licence; only its rest joints are needed. The first 22 joints of
the whole family are HumanML3D's.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from hero_core.choices import UpAxis
from hero_core.errors import InputError
from hero_core.motion import rotations as rot
from hero_core.motion.arrays import MEBIBYTE, read_npz
from hero_core.motion.format import JOINT_COUNT
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import PARENTS, Z_UP_TO_Y_UP, forward_kinematics

_MODEL_BYTES = 1024 * MEBIBYTE  # an array of a body model; SMPL-X's shapedirs have 400 columns


@dataclass(frozen=True)
class BodyModel:
    """The first 22 rest joints as a function of the body's shape: mean (22, 3) + directions (22, 3, b) @ betas."""

    mean: Array
    directions: Array

    def rest_joints(self, betas: ArrayLike) -> Array:
        """Rest joints (22, 3) in metres; betas the model does not know are left out, as are missing ones."""
        shape = np.asarray(betas, np.float64).reshape(-1)
        count = min(len(shape), self.directions.shape[-1])
        joints: Array = self.mean + self.directions[..., :count] @ shape[:count]
        return joints


@dataclass(frozen=True)
class SmplMotion:
    """Parameters of a motion: rotation vectors (n, 22, 3), translation (n, 3), betas (b,), frames per second."""

    poses: Array
    translation: Array
    betas: Array
    fps: float | None


def load_body_model(path: Path) -> BodyModel:
    """Read J_regressor, v_template, shapedirs and kintree_table of a body model .npz.

    Raises:
        InputError: not such a file, or another skeleton.
    """
    names = ("J_regressor", "v_template", "shapedirs", "kintree_table")
    arrays = read_npz(path, names, max_bytes=_MODEL_BYTES)
    regressor, template, shapes, tree = (arrays[name] for name in names)
    vertices = len(template)
    fits = (
        template.shape == (vertices, 3)
        and shapes.ndim == 3
        and shapes.shape[:2] == (vertices, 3)
        and regressor.ndim == 2
        and regressor.shape[0] >= JOINT_COUNT
        and regressor.shape[1] == vertices
    )
    if not fits:
        raise InputError(
            f"{path}: J_regressor {regressor.shape}, v_template {template.shape} and shapedirs {shapes.shape} "
            "do not fit each other"
        )
    if tree.ndim != 2 or not np.array_equal(tree[0, 1:JOINT_COUNT], PARENTS[1:]):
        raise InputError(f"{path}: the first {JOINT_COUNT} joints of kintree_table are not SMPL's")
    weights = regressor[:JOINT_COUNT].astype(np.float64)  # (22, v)
    return BodyModel(weights @ template, np.einsum("jv,vcb->jcb", weights, shapes.astype(np.float64)))


def load_smpl_motion(path: Path, max_bytes: int = 256 * MEBIBYTE) -> SmplMotion:
    """Read poses, trans, betas and, where stated, mocap_framerate of an AMASS .npz.

    Raises:
        InputError: not such a file, or shapes that do not fit.
    """
    rates = ("mocap_framerate", "mocap_frame_rate")  # SMPL-H's and SMPL-X's spelling
    arrays = read_npz(path, ("poses", "trans"), ("betas", *rates), max_bytes)
    poses, translation = (arrays[name].astype(np.float64) for name in ("poses", "trans"))
    frames = len(translation)
    poses = poses.reshape(len(poses), -1) if poses.ndim in (2, 3) and len(poses) else poses
    width = JOINT_COUNT * 3
    if poses.ndim != 2 or poses.shape[1] < width or translation.shape != (frames, 3) or len(poses) != frames:
        raise InputError(
            f"{path}: expected poses (frames, {width} or more) and trans (frames, 3), "
            f"got {arrays['poses'].shape} and {translation.shape}"
        )
    rate = next((float(arrays[name].reshape(-1)[0]) for name in rates if name in arrays), None)
    betas = arrays.get("betas", np.zeros(0)).astype(np.float64).reshape(-1)
    return SmplMotion(poses[:, :width].reshape(frames, JOINT_COUNT, 3), translation, betas, rate)


def smpl_joints(motion: SmplMotion, model: BodyModel, up: UpAxis = "z") -> Array:
    """Joint positions (n, 22, 3), metres, Y up. up: the vertical axis of the parameters; AMASS has Z."""
    rest = model.rest_joints(motion.betas)
    offsets = rest - rest[list(PARENTS)]
    root = motion.translation + rest[0]
    joints = forward_kinematics(rot.from_axis_angle(motion.poses), root, offsets)
    return rot.rotate(Z_UP_TO_Y_UP, joints) if up == "z" else joints
