"""The one function that writes a motion as any file, chosen by the file's suffix."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from hero_core.choices import EXPORT_SUFFIXES, ExportFormat, Unit
from hero_core.errors import InputError
from hero_core.exports.gltf import write_glb, write_vrma
from hero_core.exports.table import write_joint_table
from hero_core.motion.bvh_writer import write_bvh
from hero_core.motion.fit import EXACT_M, fit
from hero_core.motion.format import FPS, MOTION_DIM
from hero_core.motion.humanml3d import check_joints, vectors_to_joints
from hero_core.motion.rotations import Array
from hero_core.motion.smpl import load_body_model
from hero_core.motion.smpl_writer import fit_smpl, write_smpl_motion

ROUNDING_M = 1e-5
"""What rounding numbers may add to a file's error, at most: a hundredth of a millimetre."""


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        error_m: the largest distance between a joint of the motion and where the file has it, in metres, apart from
            rounding.
        note: what the reader of the file should know, or nothing.
    """

    path: Path
    error_m: float
    note: str = ""

    def __str__(self) -> str:
        """In words, on one line or two."""
        said = f"written: {self.path}, every joint within {max(self.error_m, ROUNDING_M) * 1e3:.3g} mm"
        return f"{said}\n  {self.note}" if self.note else said


def export(
    motion: ArrayLike,
    path: str | Path,
    fps: float = FPS,
    *,
    unit: Unit = "m",
    rigid: bool = False,
    body_model: Path | None = None,
) -> Exported:
    """Write a motion as the kind of file that ``path`` ends in: .bvh, .glb, .vrma, .smpl.npz or .csv.

    Args:
        motion: HumanML3D vectors ``(n, 263)``, or joints ``(n, 22, 3)`` in metres, Y up.
        fps: frames per second of joints; vectors have 20.
        unit: of lengths in a BVH file; the others state theirs.
        rigid: keep the bones of a BVH file at one length also where that is not exact.
        body_model: an SMPL-family .npz, whose joints an .smpl.npz is then fitted to.

    Raises:
        InputError: an unknown suffix, another shape, values that are not finite, or an impossible fps.
    """
    path = Path(path)
    kind = format_of(path)
    if not (np.isfinite(fps) and fps > 0):
        raise InputError(f"{path}: frames per second must be positive, got {fps}")
    joints = _joints(motion)
    match kind:
        case "bvh":
            return _write_bvh(path, joints, fps, unit, rigid)
        case "smpl":
            return _write_smpl(path, joints, fps, body_model)
        case "glb" | "vrma" | "csv":
            write = {"glb": write_glb, "vrma": write_vrma, "csv": write_joint_table}[kind]
            error_m = write(path, joints, fps)
            return Exported(path, error_m, _loose(error_m))


def format_of(path: Path) -> ExportFormat:
    """The format that a file name asks for.

    Raises:
        InputError: none of them.
    """
    for kind, suffix in EXPORT_SUFFIXES.items():
        if path.name.lower().endswith(suffix):
            return kind
    raise InputError(
        f"{path}: a motion is exported as a file that ends in {', '.join(EXPORT_SUFFIXES.values())}"
    )


def _joints(motion: ArrayLike) -> Array:
    values = np.asarray(motion, np.float64)
    if values.ndim == 2 and values.shape[1] == MOTION_DIM:
        values = vectors_to_joints(values)
    return check_joints(values)


def _write_bvh(path: Path, joints: Array, fps: float, unit: Unit, rigid: bool) -> Exported:
    rigid_error_m = fit(joints).error_m
    stretching = not rigid and rigid_error_m > EXACT_M
    error_m = write_bvh(path, joints, fps, stretching, unit)
    note = _loose(error_m)
    if stretching:
        note = (
            "bones change their length in this motion, so every joint has position channels; for a program that does "
            f"not read them, rigid bones (--rigid) come within {rigid_error_m * 1e3:.1f} mm"
        )
    return Exported(path, error_m, note)


def _write_smpl(path: Path, joints: Array, fps: float, body_model: Path | None) -> Exported:
    model = None if body_model is None else load_body_model(body_model)
    motion, error_m = fit_smpl(joints, fps, model)
    write_smpl_motion(path, motion)
    if model is None:
        note = "without a body model: betas are zero, and trans is where the pelvis is"
        return Exported(path, error_m, "; ".join(filter(None, (_loose(error_m), note))))
    return Exported(
        path, error_m, "the model's bones are not quite this motion's" if error_m > EXACT_M else ""
    )


def _loose(error_m: float) -> str:
    return "bones change their length in this motion, and cannot in this file" if error_m > EXACT_M else ""
