"""Writing HumanML3D's 22 joints as a BVH file that animation tools open."""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from hero_core.choices import Unit
from hero_core.errors import InputError
from hero_core.motion import rotations as rot
from hero_core.motion.fit import CHILDREN, Fit, fit, fit_stretching
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import JOINT_NAMES, METRES
from hero_core.storage import write_text

_END_SITE_M = 0.05
_DIGITS = 6  # after the point, of angles in degrees and of lengths in metres


def write_bvh(path: Path, joints: ArrayLike, fps: float, stretching: bool = False, unit: Unit = "m") -> float:
    """Write joints (n, 22, 3), metres, Y up, as BVH, atomically. Returns the largest position error in metres.

    The rest pose is a T-pose that faces +Z. Only the root has position channels, so that bones are rigid; where
    lengths are constant, and the joints around pelvis and spine3 keep their shape, the error is under 0.01 mm.
    Elsewhere each bone starts from where the one before it ended up, and points to where its own end should be.

    stretching: every joint has position channels, which stand in for its OFFSET. Exact for any motion, but not read by
    everything that reads BVH.
    unit: of the lengths in the file, which BVH does not state.

    Raises:
        InputError: not (n, 22, 3), values that are not finite, or an impossible fps.
    """
    if not (np.isfinite(fps) and fps > 0):
        raise InputError(f"{path}: frames per second must be positive, got {fps}")
    fitted = fit_stretching(joints) if stretching else fit(joints)
    digits = _DIGITS + round(np.log10(METRES[unit]))
    lines = [
        "HIERARCHY",
        *_hierarchy(0, fitted.offsets / METRES[unit], _END_SITE_M / METRES[unit], stretching, ""),
        "MOTION",
        f"Frames: {len(fitted.rotations)}",
        f"Frame Time: {1.0 / fps:.8f}",
        *_rows(fitted, stretching, METRES[unit], digits),
    ]
    write_text(path, "\n".join(lines) + "\n")
    return fitted.error_m


def _rows(fitted: Fit, stretching: bool, unit_m: float, digits: int) -> list[str]:
    """A line for each frame: position, where a joint has one, and angles of each joint, in the hierarchy's order."""
    angles = rot.without_jumps(rot.to_zxy_degrees(fitted.rotations))  # (n, 22, 3)
    columns: list[tuple[Array, int]] = []
    for joint in _depth_first(0):
        if stretching or joint == 0:
            columns.append((fitted.translations[:, joint] / unit_m, digits))
        columns.append((angles[:, joint], _DIGITS))
    texts = [[_numbers(row, precision) for row in values] for values, precision in columns]
    return [" ".join(frame) for frame in zip(*texts, strict=True)]


def _depth_first(joint: int) -> list[int]:
    return [joint, *(below for child in CHILDREN[joint] for below in _depth_first(child))]


def _hierarchy(joint: int, offsets: Array, end_site: float, stretching: bool, indent: str) -> list[str]:
    """The lines of a joint and all below it."""
    inner = indent + "  "
    positions = "6 Xposition Yposition Zposition" if stretching or joint == 0 else "3"
    lines = [
        f"{indent}{'ROOT' if joint == 0 else 'JOINT'} {JOINT_NAMES[joint]}",
        f"{indent}{{",
        f"{inner}OFFSET {_numbers(offsets[joint])}",
        f"{inner}CHANNELS {positions} Zrotation Xrotation Yrotation",
    ]
    for child in CHILDREN[joint]:
        lines += _hierarchy(child, offsets, end_site, stretching, inner)
    if not CHILDREN[joint]:
        end = _numbers(rot.unit(offsets[joint]) * end_site)
        lines += [f"{inner}End Site", f"{inner}{{", f"{inner}  OFFSET {end}", f"{inner}}}"]
    return [*lines, f"{indent}}}"]


def _numbers(vector: Array, digits: int = _DIGITS) -> str:
    return " ".join(f"{value:.{digits}f}" for value in vector)
