"""A body that is posed by where its hands and feet are: forward kinematics for the trunk, two-bone inverse
kinematics for arms and legs, on the bone lengths of HumanML3D's target skeleton.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from hero_core.motion.skeleton import TARGET_OFFSETS

Array = NDArray[np.float64]

LENGTHS_M: Array = np.linalg.norm(TARGET_OFFSETS, axis=1)  # (22,) of the bone that ends at each joint
LEG_M = float(min(LENGTHS_M[4] + LENGTHS_M[7], LENGTHS_M[5] + LENGTHS_M[8]))

# Directions of the bones of a standing body (left, up, forward); the right side mirrors the left.
_HIP, _SPINE1, _SPINE2, _SPINE3 = (
    (0.57, -0.81, -0.15),
    (0.0, 0.96, -0.28),
    (0.0, 0.98, 0.19),
    (0.0, 1.0, 0.05),
)
_NECK, _HEAD, _COLLAR, _SHOULDER = (
    (0.0, 0.99, -0.15),
    (0.0, 0.87, 0.49),
    (0.53, 0.84, -0.14),
    (0.93, 0.34, -0.14),
)
_FOOT = (0.0, -0.44, 0.90)

# Where elbows point (outward, up, forward) when the hand hangs, is in front, and is overhead.
_ELBOW_POLES = np.array([[0.3, -0.3, -0.9], [0.6, -0.8, 0.0], [1.2, -0.4, 0.0]])
_MIRROR = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class BodyTrack:
    """What a body does over n frames. Angles in radians, lengths in metres, sides in the order left, right.

    Attributes:
        pelvis: (n, 3) position.
        yaw, pitch, roll: (n,) of the trunk: to the left, forward, to the right side.
        twist: (n,) yaw of the chest against the pelvis.
        nod: (n,) pitch of the head against the chest.
        hands: (n, 2, 3) wrist minus shoulder in the chest's frame: outward, up, forward.
        ankles: (n, 2, 3) positions.
        foot_yaw, foot_pitch: (n, 2), toes outward, toes down.
    """

    pelvis: Array
    yaw: Array
    pitch: Array
    roll: Array
    twist: Array
    nod: Array
    hands: Array
    ankles: Array
    foot_yaw: Array
    foot_pitch: Array


def ankle_height(side: int) -> float:
    """Height of the ankle of a foot that stands flat, toes at 0."""
    return float(-_unit(_FOOT)[1] * LENGTHS_M[10 + side])


def pose_body(track: BodyTrack) -> Array:
    """Joints (n, 22, 3) of the track. The pelvis is lowered where the legs would not reach the feet."""
    n = len(track.pelvis)
    joints = np.zeros((n, 22, 3))
    hip_frame = _rotation(track.yaw, 0.35 * track.pitch, track.roll)
    hips = np.stack([_bone(hip_frame, 1 + side, _HIP, side) for side in (0, 1)], axis=1)  # (n, 2, 3)
    joints[:, 0] = _lowered(track.pelvis, hips, track.ankles)
    joints[:, 1:3] = joints[:, :1] + hips
    for side in (0, 1):
        _leg(joints, track, side)
    chest = _spine(joints, track, hip_frame)
    for side in (0, 1):
        _arm(joints, track.hands[:, side], chest, side)
    return joints


def _lowered(pelvis: Array, hips: Array, ankles: Array) -> Array:
    """The pelvis path, low enough for slightly bent legs to reach both ankles."""
    reach = ankles - pelvis[:, None] - hips
    level = np.sum(reach[..., [0, 2]] ** 2, axis=-1)  # (n, 2)
    highest = ankles[..., 1] - hips[..., 1] + np.sqrt(np.maximum((0.985 * LEG_M) ** 2 - level, 0.01))
    height = np.minimum(pelvis[:, 1], highest.min(axis=1))
    lowered = pelvis.copy()
    lowered[:, 1] = np.minimum(gaussian_filter1d(height, 1.0, mode="nearest"), highest.min(axis=1) + 0.006)
    return lowered


def _leg(joints: Array, track: BodyTrack, side: int) -> None:
    hip, knee, ankle, toe = 1 + side, 4 + side, 7 + side, 10 + side
    outward = track.foot_yaw[:, side] * (1 if side == 0 else -1)
    foot_frame = _rotation(outward, track.foot_pitch[:, side], np.zeros(len(joints)))
    knee_frame = _rotation(track.yaw * 0.7 + 0.6 * outward, np.zeros(len(joints)), np.zeros(len(joints)))
    forward = knee_frame @ np.array([0.0, 0.0, 1.0])
    joints[:, knee], joints[:, ankle] = _two_bones(
        joints[:, hip], track.ankles[:, side], LENGTHS_M[knee], LENGTHS_M[ankle], forward
    )
    joints[:, toe] = joints[:, ankle] + _bone(foot_frame, toe, _FOOT, side)


def _spine(joints: Array, track: BodyTrack, hip_frame: Array) -> Array:
    """Fills in the trunk and the head, and returns the chest's frame (n, 3, 3)."""
    lower = _rotation(track.yaw + 0.3 * track.twist, 0.6 * track.pitch, track.roll)
    middle = _rotation(track.yaw + 0.7 * track.twist, 0.85 * track.pitch, track.roll)
    chest = _rotation(track.yaw + track.twist, track.pitch, track.roll)
    head = _rotation(track.yaw + track.twist, track.pitch + track.nod, track.roll)
    joints[:, 3] = joints[:, 0] + _bone(lower, 3, _SPINE1)
    joints[:, 6] = joints[:, 3] + _bone(middle, 6, _SPINE2)
    joints[:, 9] = joints[:, 6] + _bone(chest, 9, _SPINE3)
    joints[:, 12] = joints[:, 9] + _bone(chest, 12, _NECK)
    joints[:, 15] = joints[:, 12] + _bone(head, 15, _HEAD)
    return chest


def _arm(joints: Array, hand: Array, chest: Array, side: int) -> None:
    collar, shoulder, elbow, wrist = 13 + side, 16 + side, 18 + side, 20 + side
    joints[:, collar] = joints[:, 9] + _bone(chest, collar, _COLLAR, side)
    joints[:, shoulder] = joints[:, collar] + _bone(chest, shoulder, _SHOULDER, side)
    mirror = _MIRROR if side else np.ones(3)
    hand = _around_shoulder(hand)
    target = joints[:, shoulder] + _apply(chest, hand * mirror)
    pole = _apply(chest, gaussian_filter1d(_elbow_pole(hand), 2.0, axis=0, mode="nearest") * mirror)
    joints[:, elbow], joints[:, wrist] = _two_bones(
        joints[:, shoulder], target, LENGTHS_M[elbow], LENGTHS_M[wrist], pole
    )


def _around_shoulder(hand: Array) -> Array:
    """Keeps a passing hand in front of the shoulder instead of inside it."""
    aside = np.sum(hand[:, :2] ** 2, axis=-1)
    least = 0.26 * np.exp(-aside / 0.2**2)
    forward = hand[:, 2]
    pushed = hand.copy()
    pushed[:, 2] = 0.5 * (forward + least + np.sqrt((forward - least) ** 2 + 0.05**2))  # a smooth maximum
    return pushed


def _elbow_pole(hand: Array) -> Array:
    """(n, 3) which way the elbow points for a hand target."""
    up = hand[:, 1:2] / np.maximum(np.linalg.norm(hand, axis=-1, keepdims=True), 1e-9)
    raised, overhead = np.clip(up + 1, 0, 1), np.clip(up, 0, 1)
    hanging, ahead, above = _ELBOW_POLES
    return np.asarray(hanging + raised * (ahead - hanging) + overhead * (above - ahead))


def _two_bones(start: Array, target: Array, upper: float, lower: float, pole: Array) -> tuple[Array, Array]:
    """Middle and end (n, 3) of a limb from `start` to `target`, bent towards `pole`."""
    offset = target - start
    distance = np.linalg.norm(offset, axis=-1, keepdims=True)
    direction = offset / np.maximum(distance, 1e-9)
    reach = np.clip(distance, abs(upper - lower) + 0.12, 0.999 * (upper + lower))
    along = (upper**2 - lower**2 + reach**2) / (2 * reach)
    aside = pole - np.sum(pole * direction, axis=-1, keepdims=True) * direction
    aside /= np.maximum(np.linalg.norm(aside, axis=-1, keepdims=True), 1e-9)
    middle = start + along * direction + np.sqrt(np.maximum(upper**2 - along**2, 0.0)) * aside
    return middle, start + reach * direction


def _bone(frame: Array, joint: int, direction: tuple[float, float, float], side: int = 0) -> Array:
    """(n, 3) vector of the bone that ends at `joint`, in a turned frame."""
    vector = _unit(direction) * (_MIRROR if side else 1.0) * LENGTHS_M[joint]
    return np.asarray(frame @ vector)


def _rotation(yaw: Array, pitch: Array, roll: Array) -> Array:
    """(n, 3, 3): roll about Z, then pitch about X, then yaw about Y."""
    cy, sy, cp, sp, cr, sr = (
        np.cos(yaw),
        np.sin(yaw),
        np.cos(pitch),
        np.sin(pitch),
        np.cos(roll),
        np.sin(roll),
    )
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)
    about_y = np.array([[cy, zero, sy], [zero, one, zero], [-sy, zero, cy]])
    about_x = np.array([[one, zero, zero], [zero, cp, -sp], [zero, sp, cp]])
    about_z = np.array([[cr, -sr, zero], [sr, cr, zero], [zero, zero, one]])
    return np.asarray(np.einsum("ijn,jkn,kln->nil", about_y, about_x, about_z))


def _apply(frame: Array, vectors: Array) -> Array:
    return np.asarray(np.einsum("nij,nj->ni", frame, vectors))


def _unit(direction: tuple[float, float, float]) -> Array:
    vector = np.array(direction)
    return np.asarray(vector / np.linalg.norm(vector))
