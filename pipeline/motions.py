"""Motion files of any supported kind, as HumanML3D vectors at 20 fps."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import HeroError, InputError
from hero_core.motion.arrays import MEBIBYTE, read_npy
from hero_core.motion.bvh import UpAxis, read_bvh
from hero_core.motion.bvh_joints import starts_with_a_jump, to_22_joints
from hero_core.motion.canonical import canonicalise, check_bones, resample, resampled_count
from hero_core.motion.humanml3d import DIM, joints_to_vectors
from hero_core.motion.skeleton import FPS, JOINT_COUNT, bone_lengths
from hero_core.motion.smpl import load_body_model, load_smpl_motion, smpl_joints

MotionSource = Literal["humanml3d", "joints", "bvh", "smpl"]

MOTION_SUFFIXES = (".npy", ".bvh", ".npz")

MIN_FPS, MAX_FPS = 1, 1000

_FAMILY_JOINT_COUNTS = (24, 52, 55)  # SMPL, SMPL-H, SMPL-X: their first 22 joints are HumanML3D's
_LARGEST = 1e7  # a coordinate; even in millimetres this is 10 km away
# Shin and thigh, then pelvis to head: the bones that end at these joints, and what soles and crown add to them.
_UPRIGHT_JOINTS = np.array([7, 4, 3, 6, 9, 12, 15])
_STATURE_PER_CHAIN = 1.15
_TYPICAL_STATURE_M = 1.7


class MotionError(HeroError):
    """A motion file that cannot be used.

    Attributes:
        path: the file.
        reason: what is wrong with it, and where it helps, what to do.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True)
class MotionLimits:
    """What is accepted as a motion: frames at 20 fps, file size, and a body's stature in metres."""

    min_frames: int = 20
    max_frames: int = 200
    max_bytes: int = 64 * MEBIBYTE
    min_stature_m: float = 0.5
    max_stature_m: float = 2.6


@dataclass(frozen=True)
class LoadedMotion:
    """HumanML3D vectors (n, 263) float32 at 20 fps, what kind of file they come from, and what was done to them."""

    vectors: NDArray[np.float32]
    source: MotionSource
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Capture:
    """Joint positions (n, 22, 3) as a file gives them."""

    joints: NDArray[np.floating]
    fps: float
    source: MotionSource
    warnings: tuple[str, ...]


def load_motion(
    path: Path,
    *,
    fps: float | None = None,
    up: UpAxis | None = None,
    body_model: Path | None = None,
    official: bool = False,
    limits: MotionLimits | None = None,
) -> LoadedMotion:
    """Read a motion file; its suffix and its shape tell what it is.

    - ``.npy`` (n, 263): HumanML3D vectors at 20 fps, taken as they are;
    - ``.npy`` (n, 22, 3): joint positions, metres, Y up, in HumanML3D's order, 20 fps unless `fps` says otherwise;
    - ``.bvh``: any unit (retargeting removes it); `fps` overrides a wrong rate in the file;
    - ``.npz``: SMPL-family parameters as in AMASS, with the user's `body_model` .npz.

    Everything but vectors is brought to 20 fps, cropped, retargeted to HumanML3D's skeleton and made canonical.
    A motion of N positions gives N - 1 vectors.

    fps: frames a second of positions, BVH or SMPL parameters.
    up: the vertical axis of a BVH file (found from its rest pose if not given) or of SMPL parameters (Z if not
    given).
    official: make vectors as the published code does, see `joints_to_vectors`.

    Raises:
        MotionError: the file cannot be used; its `reason` says why.
    """
    bounds = limits or MotionLimits()
    try:
        match path.suffix.lower():
            case ".npy":
                array = _read_floats(path, bounds)
                if array.ndim == 2 and array.shape[1] == DIM:
                    return _take_vectors(array, bounds)
                capture = _capture_from_array(array, fps)
            case ".bvh":
                capture = _capture_from_bvh(path, fps, up, bounds)
            case ".npz":
                capture = _capture_from_smpl(path, fps, up, body_model, bounds)
            case other:
                known = ", ".join(MOTION_SUFFIXES)
                raise InputError(f"unknown kind of motion file {other!r}; known are {known}")
        return _convert(capture, official, bounds)
    except InputError as error:
        raise MotionError(path, str(error).removeprefix(f"{path}: ")) from error


def _read_floats(path: Path, limits: MotionLimits) -> NDArray[np.floating]:
    array = read_npy(path, limits.max_bytes)
    if array.dtype.kind != "f":
        raise InputError(f"holds {array.dtype}, expected floating-point numbers in metres")
    return array


def _take_vectors(array: NDArray[np.floating], limits: MotionLimits) -> LoadedMotion:
    check_values(array)
    _check_length(len(array), limits)
    vectors = array[: limits.max_frames].astype(np.float32)
    return LoadedMotion(vectors, "humanml3d", _note_crop(len(array), limits))


def _capture_from_array(array: NDArray[np.floating], fps: float | None) -> _Capture:
    if array.ndim != 3 or array.shape[2] != 3 or array.shape[1] not in (JOINT_COUNT, *_FAMILY_JOINT_COUNTS):
        raise InputError(
            f"wrong shape {array.shape}; expected vectors (frames, {DIM}) or joints (frames, {JOINT_COUNT}, 3)"
        )
    warnings: tuple[str, ...] = ()
    if array.shape[1] != JOINT_COUNT:
        warnings = (f"{array.shape[1]} joints, taken as SMPL's; the first {JOINT_COUNT} are used",)
    return _Capture(array[:, :JOINT_COUNT], FPS if fps is None else fps, "joints", warnings)


def _capture_from_bvh(path: Path, fps: float | None, up: UpAxis | None, limits: MotionLimits) -> _Capture:
    motion = read_bvh(path, up=up, max_bytes=limits.max_bytes)
    joints, warnings = to_22_joints(motion)
    check_values(joints)
    check_bones(joints)
    if starts_with_a_jump(joints):
        joints = joints[1:]
        warnings = (*warnings, "first frame dropped: it is far from the second one (a T-pose)")
    # BVH states no unit, and retargeting takes the size away again: any plausible one will do
    joints = joints * (_TYPICAL_STATURE_M / stature_m(joints))
    return _Capture(joints, motion.fps if fps is None else fps, "bvh", warnings)


def _capture_from_smpl(
    path: Path, fps: float | None, up: UpAxis | None, body_model: Path | None, limits: MotionLimits
) -> _Capture:
    if body_model is None:
        raise InputError("SMPL-family parameters need the body model they were made with; give its .npz")
    motion = load_smpl_motion(path, limits.max_bytes)
    rate = motion.fps if fps is None else fps
    if rate is None:
        raise InputError("states no mocap_framerate; give its frames a second")
    return _Capture(smpl_joints(motion, load_body_model(body_model), up or "z"), rate, "smpl", ())


def _convert(capture: _Capture, official: bool, limits: MotionLimits) -> LoadedMotion:
    joints, fps = capture.joints, capture.fps
    check_values(joints)
    if not MIN_FPS <= fps <= MAX_FPS:
        raise InputError(f"{fps:g} frames a second; expected {MIN_FPS} to {MAX_FPS}")
    frames = resampled_count(len(joints), fps) - 1
    _check_length(frames, limits)
    needed = math.ceil(limits.max_frames * fps / FPS) + 2  # so that a long file costs no more than it gives
    positions = resample(joints[:needed], fps)[: limits.max_frames + 1]
    height_m = stature_m(positions)
    if not limits.min_stature_m <= height_m <= limits.max_stature_m:
        raise InputError(
            f"implausible size: the body would be {height_m:.3g} m tall; positions must be in metres"
        )
    vectors = joints_to_vectors(canonicalise(positions), official)
    return LoadedMotion(vectors, capture.source, (*capture.warnings, *_note_crop(frames, limits)))


def check_values(values: NDArray[np.floating]) -> None:
    """Refuse motions (frames, ...) without frames, or with numbers that no person can have made.

    Raises:
        InputError: saying what, and in how many frames.
    """
    if len(values) == 0:
        raise InputError("no frames")
    with np.errstate(invalid="ignore"):
        faults = {
            "NaN": np.isnan(values),
            "Inf": np.isinf(values),
            f"numbers over {_LARGEST:g}": np.abs(values) > _LARGEST,
        }
    for kind, bad in faults.items():
        frames = int(bad.reshape(len(values), -1).any(axis=1).sum())
        if frames:
            raise InputError(f"{kind} in {frames} of {len(values)} frames")


def stature_m(joints: NDArray[np.floating]) -> float:
    """About how tall the body of joints (n, 22, 3) is, from the lengths of its bones."""
    lengths = np.median(bone_lengths(joints), axis=0)
    return float(_STATURE_PER_CHAIN * lengths[_UPRIGHT_JOINTS - 1].sum())


def _check_length(frames: int, limits: MotionLimits) -> None:
    if frames < limits.min_frames:
        raise InputError(
            f"too short: {frames} frames at {FPS} fps, at least {limits.min_frames} "
            f"({limits.min_frames / FPS:g} s) are needed"
        )


def _note_crop(frames: int, limits: MotionLimits) -> tuple[str, ...]:
    kept = limits.max_frames
    if frames <= kept:
        return ()
    return (f"cropped from {frames} to {kept} frames ({frames / FPS:.1f} to {kept / FPS:.1f} s)",)
