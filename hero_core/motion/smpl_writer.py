"""From 22 joints to SMPL-family parameters, in the layout that AMASS distributes: Z up, rotation vectors."""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares

from hero_core.errors import InputError
from hero_core.motion import rotations as rot
from hero_core.motion.fit import fit
from hero_core.motion.humanml3d import check_joints
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import PARENTS, Z_UP_TO_Y_UP, bone_lengths
from hero_core.motion.smpl import BodyModel, SmplMotion
from hero_core.storage import atomic_path

_BETAS = 16  # as AMASS has them
_FITTED_BETAS = 10
_BETA_COSTS_M = 1e-3  # a beta of 1 weighs like a bone that is a millimetre off
_SMPLH_WIDTH = 52 * 3  # body and hands of SMPL-H


def fit_smpl(joints: ArrayLike, fps: float, model: BodyModel | None = None) -> tuple[SmplMotion, float]:
    """Parameters, Z up, whose joints are at joints (n, 22, 3), metres, Y up; and the largest error in metres.

    With a body model, betas are fitted to this body's bone lengths, and the error is that of the model's own joints.
    Without one, the angles are those of a T-pose with this body's bone lengths, betas are zero, ``translation`` is the
    pelvis, and the error is that of such a body.

    Raises:
        InputError: not (n, 22, 3), or values that are not finite.
    """
    positions = check_joints(joints)
    betas, pelvis, offsets = np.zeros(_BETAS), np.zeros(3), None
    if model is not None:
        betas = _fit_betas(positions, model)
        rest = model.rest_joints(betas)
        pelvis, offsets = rest[0], rest - rest[list(PARENTS)]
    fitted = fit(positions, offsets)
    to_z_up = rot.conjugate(Z_UP_TO_Y_UP)
    rotations = fitted.rotations.copy()
    rotations[:, 0] = rot.multiply(to_z_up, rotations[:, 0])
    translation = rot.rotate(to_z_up, positions[:, 0]) - pelvis
    return SmplMotion(rot.to_axis_angle(rotations), translation, betas, fps), fitted.error_m


def write_smpl_motion(path: Path, motion: SmplMotion) -> None:
    """Write an AMASS .npz, atomically: ``poses`` (n, 156) of SMPL-H, hands at rest, and what goes with them.

    Raises:
        InputError: a motion without a frame rate.
    """
    if motion.fps is None or not (np.isfinite(motion.fps) and motion.fps > 0):
        raise InputError(f"{path}: frames per second must be positive, got {motion.fps}")
    frames = len(motion.poses)
    poses = np.zeros((frames, _SMPLH_WIDTH))
    poses[:, : motion.poses[0].size] = motion.poses.reshape(frames, -1)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            poses=poses,
            trans=motion.translation,
            betas=motion.betas,
            mocap_framerate=np.float64(motion.fps),
            gender=np.array("neutral"),
        )


def _fit_betas(positions: Array, model: BodyModel) -> Array:
    """Betas (16,) that bring the model's bones near the body's median lengths; the first ten move."""
    lengths = np.median(bone_lengths(positions), axis=0)  # (21,)
    betas = np.zeros(_BETAS)
    free = min(_FITTED_BETAS, model.directions.shape[-1])

    def misfit(values: Array) -> Array:
        off = bone_lengths(model.rest_joints(values)) - lengths
        return np.concatenate([off, _BETA_COSTS_M * values])

    if free:
        betas[:free] = least_squares(misfit, betas[:free]).x
    return betas
