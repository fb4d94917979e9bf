"""Whether joints are a human's motion. What a wrong axis, unit, order or frame rate does to them has a name here.

A check is a number that every real motion keeps within a limit, and that a file read wrongly leaves. A refusal says
what is likely wrong, likeliest first, and which option mends it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from hero_core.choices import Unit, UpAxis
from hero_core.errors import InputError
from hero_core.motion.canonical import check_bones, facing
from hero_core.motion.format import FPS
from hero_core.motion.humanml3d import CONTACTS, FEET, ROTATIONS_6D, STANDING_M2, VELOCITIES
from hero_core.motion.rotations import Array, norm, unit
from hero_core.motion.skeleton import METRES, TARGET_OFFSETS, bone_lengths

# fmt: off
# The limits. Worst of the real motions: 65 clips of joints (climbing, glitches and kicks among them), 10 BVH files at
# their true rates, published vectors; and of 120 reactions of MiniViMo. At fault: the same motions read wrongly.
#                                   worst real    at fault
MAX_BONE_SPREAD = 0.25            # 0.00001       1.1 random vectors; how far a limb's length varies
LIMB_RATIOS = (0.5, 1.5)          # 0.73, 1.24    0.31, 1.70 joints reversed; limbs against the target skeleton's
STATURES_M = (0.5, 2.6)           # 1.56, 1.92    62 inches, 157 cm
MIN_UPRIGHT = 0.4                 # 0.81          0.30 Y and Z swapped; vertical part of the direction ankles to head
MIN_HEAD_M = -0.05                # 0.31          -0.31 Y downwards; height of the head above the pelvis
MIN_FACING = -0.3                 # 0.79          -0.79 mirrored; cosine between where the body and the toes point
FEET_HEIGHTS_M = (-0.3, 0.6)      # 0.00, 0.24    the lower foot in the lowest tenth of the frames
MAX_ROOT_SPEED = 10.0             # 2.3 m/s       of the pelvis, exceeded in 5 % of the frames
MAX_ACCELERATION = 36.0           # 26.5 m/s2     49 at 4 times the rate (50 of 51 clips); exceeded by 10 %
MAX_STEP_SECONDS = 1.0            # 0.75 s        1.6 in the middle at a quarter of the rate; the quickest step
MAX_ROTATION_ERROR = 0.2          # 0.00          0.71 normalised vectors; 6D columns against unit and orthogonal ones
MAX_VELOCITY_ERROR_M = 0.03       # 0.00          velocities of vectors against those of their positions, per frame
MIN_CONTACT_AGREEMENT = 0.7       # 1.00          contacts of vectors against how fast their feet are
# fmt: on

_LIMBS = np.array([4, 5, 7, 8, 18, 19, 20, 21])  # the ends of thighs, shins, upper and lower arms
_ANKLES, _TOES, _HEAD = [7, 8], [10, 11], 15
# Shin and thigh, then pelvis to head: the bones that end at these joints, and what soles and crown add to them.
_STATURE_JOINTS = np.array([7, 4, 3, 6, 9, 12, 15])
_STATURE_PER_CHAIN = 1.15
_ADULT_M = (1.2, 2.2)

_STEP_M = 0.25  # how far a foot goes in what counts as a step
_RESTING_M_S = 0.15
_COMMON_FPS = np.array([5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 240.0])
_USUAL_STEP_SECONDS = 0.45  # the quickest one of a clip, in the middle of the real motions
_USUAL_ACCELERATION = 6.0  # likewise, of motions lively enough to be refused at 4 times their rate


@dataclass(frozen=True)
class Reading:
    """How a file was read; what nobody stated is what a refusal doubts.

    Attributes:
        fps: the rate it was read at.
        fps_from_file: only the file itself states that rate.
        up: the axis of the file that became Y.
        up_confirmed: the user states that axis, and it is the one that would have been taken anyway.
        unit: of its positions.
        vectors: it holds vectors, which no option changes.
    """

    fps: float = FPS
    fps_from_file: bool = False
    up: UpAxis = "y"
    up_confirmed: bool = False
    unit: Unit = "m"
    vectors: bool = False

    def mend(self, option: str) -> str:
        """What to do, by an option of the command that reads files of joints."""
        return f"make these vectors again from their joints with {option}" if self.vectors else option


def check_body(joints: Array, reading: Reading) -> tuple[str, ...]:
    """Refuse joints (n, 22, 3), as captured, that are no body: wrong bones, order, unit or axes.

    Returns warnings: what is odd, but might be meant.

    Raises:
        InputError: with the suspicion and what mends it.
    """
    check_bones(joints)
    if (spread := bone_spread(joints)) > MAX_BONE_SPREAD:
        raise InputError(
            f"limbs change their length by {spread:.0%}: the joints are in another order than HumanML3D's, "
            "or these are no joint positions"
        )
    low, high = limb_ratios(joints)
    if low < LIMB_RATIOS[0] or high > LIMB_RATIOS[1]:
        raise InputError(
            f"no human proportions: limbs have {low:.2f} to {high:.2f} times the length that the others suggest; "
            "the joints are likely in another order than HumanML3D's (pelvis first, wrists last): reorder them"
        )
    height_m = stature_m(joints)
    if not STATURES_M[0] <= height_m <= STATURES_M[1]:
        raise InputError(
            f"implausible size: the body would be {height_m:.3g} m tall; {_unit_hint(height_m, reading)}"
        )
    return _check_posture(joints, reading)


def check_movement(joints: Array, reading: Reading) -> tuple[str, ...]:
    """Refuse canonical joints (n, 22, 3), at 20 fps, that no human can have moved so, or far from a floor.

    Returns warnings: what is odd, but might be meant.

    Raises:
        InputError: with the suspicion and what mends it.
    """
    low, high = FEET_HEIGHTS_M
    if not low <= (height := feet_height_m(joints)) <= high:
        raise InputError(
            f"no floor near the feet: they stay at {height:.2f} m or more; 0 likely is not the floor of these vectors, "
            "or single frames lie far below the others: make them again from joints, cut such frames out"
        )
    _check_not_too_fast(joints, reading)
    return _check_not_too_slow(joints, reading)


def check_vectors(vectors: NDArray[np.floating], joints: Array) -> None:
    """Refuse vectors (n, 263) whose columns contradict each other; joints (n, 22, 3) are those of their positions.

    Raises:
        InputError: with the suspicion and what mends it.
    """
    if (error := rotation_error(vectors)) > MAX_ROTATION_ERROR:
        raise InputError(
            f"no HumanML3D vectors: their rotations are none (off by {error:.2f}); if they were normalised, "
            "undo it with vectors * Std + Mean; if they are something else, give joints (frames, 22, 3)"
        )
    if (error := velocity_error_m(vectors, joints)) > MAX_VELOCITY_ERROR_M:
        raise InputError(
            f"no HumanML3D vectors: velocities and positions disagree by {error:.2f} m per frame; they were likely "
            "resampled or scaled as vectors: make them again from joints"
        )
    if (agreement := contact_agreement(vectors)) < MIN_CONTACT_AGREEMENT:
        raise InputError(
            f"no HumanML3D vectors: only {agreement:.0%} of the contacts agree with the feet's speed; "
            "make them again from joints"
        )


def bone_spread(joints: Array) -> float:
    """How far a limb's length varies over the frames, relative to it: the worst limb of (n, 22, 3)."""
    lengths = bone_lengths(joints)[:, _LIMBS - 1]
    low, middle, high = np.quantile(lengths, (0.1, 0.5, 0.9), axis=0)
    return float(((high - low) / middle).max())


def limb_ratios(joints: Array) -> tuple[float, float]:
    """Lengths of the limbs over those of the target skeleton, by their mean: the least and the largest."""
    ratios = np.median(bone_lengths(joints), axis=0)[_LIMBS - 1] / norm(TARGET_OFFSETS)[_LIMBS, 0]
    ratios = ratios / np.exp(np.log(ratios).mean())
    return float(ratios.min()), float(ratios.max())


def stature_m(joints: Array) -> float:
    """About how tall the body of joints (n, 22, 3) is, from the lengths of its bones."""
    lengths = np.median(bone_lengths(joints), axis=0)
    return float(_STATURE_PER_CHAIN * lengths[_STATURE_JOINTS - 1].sum())


def uprightness(joints: Array) -> float:
    """Vertical part of the direction from the ankles to the head, in the middle frame: 1 upright, 0 lying."""
    return float(np.median(unit(joints[:, _HEAD] - joints[:, _ANKLES].mean(axis=1))[:, 1]))


def head_height_m(joints: Array) -> float:
    """Height of the head above the pelvis, in the middle frame."""
    return float(np.median(joints[:, _HEAD, 1] - joints[:, 0, 1]))


def facing_agreement(joints: Array) -> float:
    """Cosine between where hips and shoulders face and where the toes point, in the middle frame."""
    toes = joints[:, _TOES].mean(axis=1) - joints[:, _ANKLES].mean(axis=1)
    return float(np.median((facing(joints) * unit(toes * [1, 0, 1])).sum(axis=-1)))


def feet_height_m(joints: Array) -> float:
    """How high the lower foot is in the lowest tenth of the frames."""
    return float(np.quantile(joints[:, FEET, 1].min(axis=1), 0.1))


def root_speed(joints: Array) -> float:
    """Speed of the pelvis in metres per second that 5 % of the frames exceed."""
    return float(np.quantile(norm(np.diff(joints[:, 0], axis=0)), 0.95) * FPS)


def acceleration(joints: Array) -> float:
    """Acceleration in m/s2 that 10 % of all joints and frames exceed. A single glitch does not show in it."""
    return float(np.quantile(norm(np.diff(joints, n=2, axis=0)), 0.9) * FPS**2)


def quickest_step_seconds(joints: Array) -> float | None:
    """How long the quickest step takes, while its foot goes at 30 % of the step's top speed or faster.

    A step leads a foot from rest to rest, 0.25 m or farther. A leg swings at its own pace, like a pendulum, so steps
    tell the rate of a file better than speeds do. None where nobody steps.
    """
    seconds = []
    for foot in _ANKLES:
        path = joints[:, foot][:, [0, 2]]
        speed = gaussian_filter1d(norm(np.diff(path, axis=0))[:, 0] * FPS, 1.0)
        edges = np.flatnonzero(np.diff(speed > _RESTING_M_S)) + 1
        starts = edges if speed[0] <= _RESTING_M_S else edges[1:]
        for start, end in zip(starts[::2], starts[1::2], strict=False):
            if np.linalg.norm(path[end] - path[start]) >= _STEP_M:
                moving = speed[start:end]
                seconds.append(float((moving > 0.3 * moving.max()).sum()) / FPS)
    return min(seconds, default=None)


def rotation_error(vectors: NDArray[np.floating]) -> float:
    """How far the columns of the 6D rotations of (n, 263) are from unit length and a right angle, in the middle."""
    columns = vectors[:, ROTATIONS_6D].reshape(len(vectors), -1, 2, 3).astype(np.float64)
    lengths = np.abs(norm(columns)[..., 0] - 1.0).max(axis=-1)
    angles = np.abs((columns[..., 0, :] * columns[..., 1, :]).sum(axis=-1))
    return float(np.median(np.maximum(lengths, angles)))


def velocity_error_m(vectors: NDArray[np.floating], joints: Array) -> float:
    """How far the velocities of (n, 263) are from the steps of the joints (n, 22, 3), in the middle, per frame."""
    stated = norm(vectors[:-1, VELOCITIES].reshape(len(vectors) - 1, -1, 3))
    return float(np.median(np.abs(stated - norm(np.diff(joints, axis=0)))))


def contact_agreement(vectors: NDArray[np.floating]) -> float:
    """In which share of frames and feet the contacts of (n, 263) say what the feet's velocities say."""
    steps = norm(vectors[:, VELOCITIES].reshape(len(vectors), -1, 3)[:, FEET])[..., 0]
    return float(((vectors[:, CONTACTS] > 0.5) == (steps**2 < STANDING_M2)).mean())


def _unit_hint(height_m: float, reading: Reading) -> str:
    stated = height_m / METRES[reading.unit]
    fitting = [unit for unit, metres in METRES.items() if _ADULT_M[0] <= stated * metres <= _ADULT_M[1]]
    if fitting:
        return f"its positions are likely in {fitting[0]}: {reading.mend(f'--unit {fitting[0]}')}"
    return "positions must be in metres, or in what --unit says (m, cm, mm, inch)"


def _check_posture(joints: Array, reading: Reading) -> tuple[str, ...]:
    upright = uprightness(joints)
    if abs(upright) < MIN_UPRIGHT:
        other = "z" if reading.up == "y" else "y"
        degrees = np.degrees(np.arccos(upright))
        lying = f"the body lies on its side: in most frames {degrees:.0f} degrees from upright"
        if reading.up_confirmed:
            return (f"{lying}, and --up {reading.up} says so",)
        raise InputError(
            f"{lying}; the up axis is likely {other.upper()}: {reading.mend(f'--up {other}')}; "
            f"or --up {reading.up}, if people do lie"
        )
    if upright < 0 or head_height_m(joints) < MIN_HEAD_M:
        raise InputError(
            f"the head is below the pelvis in most frames; {reading.up.upper()} likely points down, as a camera's axes "
            "do: turn the positions upside down; or the joints are in another order than HumanML3D's; or --up is wrong"
        )
    if facing_agreement(joints) < MIN_FACING:
        raise InputError(
            "the toes point backwards; left and right joints are likely swapped, or one axis is mirrored "
            "(left-handed axes): reorder the joints or negate X"
        )
    return ()


def _check_not_too_fast(joints: Array, reading: Reading) -> None:
    if (speed := root_speed(joints)) > MAX_ROOT_SPEED:
        raise InputError(
            f"too fast for a human: the pelvis goes at {speed:.0f} m/s; its translation is likely in another unit: "
            f"{reading.mend('--unit cm (or mm)')}; or the frame rate is wrong: {reading.mend('--motion-fps')}"
        )
    if (found := acceleration(joints)) > MAX_ACCELERATION:
        rate = _nearest_rate(reading.fps * np.sqrt(_USUAL_ACCELERATION / found))
        raise InputError(
            f"too fast for a human: accelerations of {found:.0f} m/s2 and more; {reading.fps:g} fps is likely not "
            f"its frame rate: {reading.mend(f'--motion-fps {rate:g}')}"
        )


def _check_not_too_slow(joints: Array, reading: Reading) -> tuple[str, ...]:
    seconds = quickest_step_seconds(joints)
    if seconds is None or seconds < MAX_STEP_SECONDS:
        return ()
    rate = _nearest_rate(reading.fps * seconds / _USUAL_STEP_SECONDS)
    told = (
        f"too slow for a human: the quickest step takes {seconds:.2f} s; {reading.fps:g} fps is likely not its frame "
        f"rate: {reading.mend(f'--motion-fps {rate:g}')}"
    )
    if reading.fps_from_file:
        raise InputError(f"{told}; or --motion-fps {reading.fps:g}, if people do move this slowly")
    return (told,)


def _nearest_rate(fps: float) -> float:
    return float(_COMMON_FPS[np.argmin(np.abs(np.log(_COMMON_FPS / fps)))])
