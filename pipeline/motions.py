"""Motion files of any supported kind, as HumanML3D vectors at 20 fps."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hero_core.choices import Unit, UpAxis
from hero_core.config import Config
from hero_core.errors import HeroError, InputError
from hero_core.motion import plausible
from hero_core.motion import rotations as rot
from hero_core.motion.arrays import MEBIBYTE, read_npy
from hero_core.motion.bvh import read_bvh
from hero_core.motion.bvh_joints import starts_with_a_jump, to_22_joints
from hero_core.motion.canonical import canonicalise, check_bones, resample, resampled_count
from hero_core.motion.format import FPS, JOINT_COUNT, MAX_FRAMES, MOTION_DIM
from hero_core.motion.humanml3d import joints_to_vectors, vectors_to_joints
from hero_core.motion.plausible import Reading
from hero_core.motion.skeleton import METRES, Z_UP_TO_Y_UP
from hero_core.motion.smpl import BodyModel, load_body_model, load_smpl_motion, smpl_joints
from hero_core.records import MotionRecord
from hero_core.storage import sha256_of_file, sha256_of_json

MOTION_SUFFIXES = (".npy", ".bvh", ".npz")

# What this file and hero_core.motion make of a motion, or refuse. A change of either is another rule.
_RULE = "HumanML3D vectors 2; checked for plausibility 1"
_MIN_FRAMES = FPS  # a second
_MAX_BYTES = 64 * MEBIBYTE
_MIN_FPS, _MAX_FPS = 1, 1000
_LARGEST = 1e7  # a coordinate; even in millimetres this is 10 km away

_FAMILY_JOINT_COUNTS = (24, 52, 55)  # SMPL, SMPL-H, SMPL-X: their first 22 joints are HumanML3D's
_TYPICAL_STATURE_M = 1.7


class MotionError(HeroError):
    """A motion file that cannot be used.

    Attributes:
        path: the file.
        reason: what is wrong with it, and where it helps, what to do. One line, whatever names the file holds.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = _in_one_line(reason)
        super().__init__(f"{path}: {self.reason}")


def _in_one_line(text: str) -> str:
    """A damaged file names its joints and arrays as it likes, also by what a terminal would obey."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


class MotionConversion(Config):
    """How motion files are read, where they do not say it themselves or say it wrongly.

    Attributes:
        motion_fps: frames per second of positions, BVH and SMPL parameters, whatever lists and files state.
        up: their vertical axis. None: that of a BVH file's rest pose, Z of SMPL parameters, Y of positions.
        unit: of positions and of SMPL's translations; BVH files need none, because retargeting takes sizes away.
        body_model: the .npz that SMPL-family parameters were made with.
        official: make vectors as the published code does, see `joints_to_vectors`.
    """

    motion_fps: float | None = Field(default=None, ge=_MIN_FPS, le=_MAX_FPS)
    up: UpAxis | None = None
    unit: Unit | None = None
    body_model: Path | None = None
    official: bool = False

    def identity(self) -> str:
        """Short name of all that decides the vectors besides the file and its stated rate: 16 hex digits.

        Raises:
            InputError: the body model cannot be read.
        """
        values = self.model_dump(mode="json") | {
            "rule": _RULE,
            "frames": [_MIN_FRAMES, MAX_FRAMES],
            "fps": FPS,
        }
        if self.body_model is not None:
            try:
                values["body_model"] = sha256_of_file(self.body_model)
            except OSError as error:
                raise InputError(
                    f"--body-model {self.body_model}: cannot be read: {error.strerror}"
                ) from None
        return sha256_of_json(values)[:16]


@dataclass(frozen=True)
class LoadedMotion:
    """Vectors (n, 263) float32 at 20 fps, and what was done to them or looks odd, one line each."""

    record: MotionRecord
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Capture:
    """Joint positions (n, 22, 3), Y up, in metres, as a file gives them."""

    joints: NDArray[np.floating]
    reading: Reading
    warnings: tuple[str, ...] = ()


def load_motion(path: Path, conversion: MotionConversion, stated_fps: float | None = None) -> LoadedMotion:
    """Read a motion file; its suffix and its shape tell what it is.

    - ``.npy`` (n, 263): HumanML3D vectors at 20 fps, taken as they are;
    - ``.npy`` (n, 22, 3): joint positions, metres, Y up, in HumanML3D's order, 20 fps unless stated otherwise;
    - ``.bvh``: any unit (retargeting removes it);
    - ``.npz``: SMPL-family parameters as in AMASS, with the user's body model.

    Everything but vectors is brought to 20 fps, cropped to 10 s, retargeted to HumanML3D's skeleton and made
    canonical. A motion of N positions gives N - 1 vectors. What no human can have moved is refused.

    stated_fps: frames per second by the list that names the file. `conversion.motion_fps` goes before it, and it goes
    before what the file states.

    Raises:
        MotionError: the file cannot be used; its `reason` says why.
    """
    fps = conversion.motion_fps or stated_fps
    try:
        match path.suffix.lower():
            case ".npy":
                array = read_npy(path, _MAX_BYTES)
                if array.ndim == 2 and array.shape[1] == MOTION_DIM:
                    return _take_vectors(array, conversion)
                capture = _capture_from_array(array, fps, conversion)
            case ".bvh":
                capture = _capture_from_bvh(path, fps, conversion.up)
            case ".npz":
                capture = _capture_from_smpl(path, fps, conversion)
            case other:
                known = ", ".join(MOTION_SUFFIXES)
                raise InputError(f"unknown kind of motion file {other!r}; known are {known}")
        return _convert(capture, conversion.official)
    except InputError as error:
        raise MotionError(path, str(error).removeprefix(f"{path}: ")) from error


def _take_vectors(array: NDArray[np.floating], conversion: MotionConversion) -> LoadedMotion:
    _check_values(array)
    _check_length(len(array))
    vectors = array[:MAX_FRAMES].astype(np.float32)
    joints = vectors_to_joints(vectors)
    reading = Reading(up_confirmed=conversion.up == "y", vectors=True)
    plausible.check_vectors(vectors, joints)
    warnings = (*plausible.check_body(joints, reading), *plausible.check_movement(joints, reading))
    return LoadedMotion(MotionRecord(vectors), (*warnings, *_note_crop(len(array))))


def _capture_from_array(
    array: NDArray[np.floating], fps: float | None, conversion: MotionConversion
) -> _Capture:
    if array.ndim != 3 or array.shape[2] != 3 or array.shape[1] not in (JOINT_COUNT, *_FAMILY_JOINT_COUNTS):
        raise InputError(
            f"wrong shape {array.shape}; expected vectors (frames, {MOTION_DIM}) or joints (frames, {JOINT_COUNT}, 3)"
        )
    warnings: tuple[str, ...] = ()
    if array.shape[1] != JOINT_COUNT:
        warnings = (f"taken as SMPL's: {array.shape[1]} joints, of which the first {JOINT_COUNT} are used",)
    unit, up = conversion.unit or "m", conversion.up or "y"
    with np.errstate(invalid="ignore"):  # what is no number is refused below, in words
        joints = array[:, :JOINT_COUNT] * METRES[unit]
    reading = Reading(fps=fps or FPS, up=up, up_confirmed=conversion.up == "y", unit=unit)
    return _Capture(rot.rotate(Z_UP_TO_Y_UP, joints) if up == "z" else joints, reading, warnings)


def _capture_from_bvh(path: Path, fps: float | None, up: UpAxis | None) -> _Capture:
    motion = read_bvh(path, up, _MAX_BYTES)
    joints, warnings = to_22_joints(motion)
    _check_values(joints)
    check_bones(joints)
    if starts_with_a_jump(joints):
        joints = joints[1:]
        warnings = (*warnings, "first frame dropped: it is far from the second one (a T-pose)")
    # BVH states no unit, and retargeting takes the size away again: any plausible one will do
    joints = joints * (_TYPICAL_STATURE_M / plausible.stature_m(joints))
    reading = Reading(fps or motion.fps, fps is None, motion.up, up == motion.rest_up)
    return _Capture(joints, reading, warnings)


def _capture_from_smpl(path: Path, fps: float | None, conversion: MotionConversion) -> _Capture:
    if conversion.body_model is None:
        raise InputError(
            "SMPL-family parameters need the body model that they were made with: --body-model MODEL.npz"
        )
    motion = load_smpl_motion(path, _MAX_BYTES)
    rate = fps or motion.fps
    if rate is None:
        raise InputError("states no mocap_framerate; give its frames per second: --motion-fps")
    unit, up = conversion.unit or "m", conversion.up or "z"
    motion = replace(motion, translation=motion.translation * METRES[unit])
    reading = Reading(rate, fps is None, up, conversion.up == "z", unit)
    return _Capture(smpl_joints(motion, _body_model(conversion.body_model), up), reading)


@lru_cache(maxsize=1)
def _body_model(path: Path) -> BodyModel:
    return load_body_model(path)  # hundreds of megabytes, and the same for every file of a run


def _convert(capture: _Capture, official: bool) -> LoadedMotion:
    joints, reading = capture.joints, capture.reading
    _check_values(joints)
    if not _MIN_FPS <= reading.fps <= _MAX_FPS:
        raise InputError(
            f"{reading.fps:g} frames per second; expected {_MIN_FPS} to {_MAX_FPS}: --motion-fps"
        )
    frames = resampled_count(len(joints), reading.fps) - 1
    _check_length(frames)
    needed = math.ceil(MAX_FRAMES * reading.fps / FPS) + 2  # so that a long file costs no more than it gives
    positions = resample(joints[:needed], reading.fps)[: MAX_FRAMES + 1]
    odd = plausible.check_body(positions, reading)
    canonical = canonicalise(positions)
    odd = (*odd, *plausible.check_movement(canonical, reading))
    record = MotionRecord(joints_to_vectors(canonical, official))
    return LoadedMotion(record, (*capture.warnings, *odd, *_note_crop(frames)))


def _check_values(values: NDArray[np.floating]) -> None:
    """Refuse motions (frames, ...) without frames, or with numbers that no person can have made."""
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


def _check_length(frames: int) -> None:
    if frames < _MIN_FRAMES:
        raise InputError(
            f"too short: {frames} frames at {FPS} fps, at least {_MIN_FRAMES} ({_MIN_FRAMES / FPS:g} s) are needed"
        )


def _note_crop(frames: int) -> tuple[str, ...]:
    if frames <= MAX_FRAMES:
        return ()
    return (
        f"cropped: from {frames} to {MAX_FRAMES} frames ({frames / FPS:.1f} to {MAX_FRAMES / FPS:.1f} s)",
    )
