"""Joints from the files that this project writes: a reaction's .npz, and .npy of vectors or joints."""

from pathlib import Path

import numpy as np

from hero_core.errors import InputError
from hero_core.motion.arrays import read_npy, read_npz
from hero_core.motion.format import FPS, JOINT_COUNT, MOTION_DIM
from hero_core.motion.humanml3d import check_joints, vectors_to_joints
from hero_core.motion.rotations import Array


def read_joints(path: Path, fps: float | None = None) -> tuple[Array, float]:
    """Joints (n, 22, 3) in metres, Y up, and their frames per second.

    - ``.npz`` of a reaction: its ``joints``, or else its ``vectors``, at its ``fps``;
    - ``.npy`` (n, 22, 3) joints, or (n, 263) HumanML3D vectors.

    fps: goes before what the file states; 20 where neither says it.

    Raises:
        InputError: no such file, or none of these.
    """
    if path.suffix.lower() == ".npz":
        arrays = read_npz(path, (), ("joints", "vectors", "fps"))
        values = arrays.get("joints", arrays.get("vectors"))
        if values is None:
            raise InputError(f"{path}: holds neither joints nor vectors; hero-react writes such files")
        stated = arrays["fps"] if "fps" in arrays else np.array(FPS)
        if stated.size != 1:
            raise InputError(f"{path}: its fps is not one number")
        rate = float(stated.item()) if fps is None else fps
    elif path.suffix.lower() == ".npy":
        values, rate = read_npy(path), FPS if fps is None else fps
    else:
        raise InputError(f"{path}: expected the .npz of a reaction, or a .npy of vectors or joints")
    if values.ndim == 2 and values.shape[1] == MOTION_DIM:
        values = vectors_to_joints(values)
    if values.ndim != 3 or values.shape[1:] != (JOINT_COUNT, 3):
        raise InputError(
            f"{path}: expected joints (frames, {JOINT_COUNT}, 3) or vectors (frames, {MOTION_DIM}), got {values.shape}"
        )
    try:
        return check_joints(values), rate
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
