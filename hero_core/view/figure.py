"""The drawn body: which balls stand around which joints, in which colours. Geometry only, in metres."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hero_core.motion.humanml3d import FEET
from hero_core.motion.skeleton import PARENTS

Array = NDArray[np.float64]
Colour = tuple[int, int, int]

LEFT: Colour = (38, 112, 214)  # the person's own left
RIGHT: Colour = (232, 110, 44)
TRUNK: Colour = (86, 98, 117)
NOSE: Colour = (140, 149, 163)
START: Colour = (46, 160, 120)  # where a motion starts

HEAD_RADIUS_M = 0.105
_HAND_RADIUS_M = 0.04

# A body part is hulls of balls: (joint, radius in metres) each.
_TRUNK = (
    ((1, 0.095), (2, 0.095), (3, 0.11), (6, 0.105)),
    ((3, 0.11), (6, 0.12), (16, 0.062), (17, 0.062)),
    ((9, 0.06), (12, 0.05)),
)
_LEFT_LEG = (((1, 0.08), (4, 0.056)), ((4, 0.056), (7, 0.036)), ((7, 0.038), (10, 0.027)))
_RIGHT_LEG = (((2, 0.08), (5, 0.056)), ((5, 0.056), (8, 0.036)), ((8, 0.038), (11, 0.027)))
_LEFT_ARM = (((16, 0.052), (18, 0.039)), ((18, 0.039), (20, 0.029)))
_RIGHT_ARM = (((17, 0.052), (19, 0.039)), ((19, 0.039), (21, 0.029)))


class Hull(NamedTuple):
    """What is between some balls."""

    centres: Array  # (k, 3)
    radii: Array  # (k,)
    carriers: tuple[int, ...]  # the joint with whose rotation each ball moves


class Part(NamedTuple):
    """Hulls of one colour, drawn together in the order of the depth of ``anchor`` (3,)."""

    hulls: list[Hull]
    colour: Colour
    anchor: Array


def body_parts(pose: Array) -> list[Part]:
    """The parts of a body whose 22 joints are at ``pose`` (22, 3)."""
    return [
        _part(_hulls(pose, _TRUNK), TRUNK),
        *_head(pose),
        _part(_hulls(pose, _LEFT_LEG), LEFT),
        _part(_hulls(pose, _RIGHT_LEG), RIGHT),
        _part([*_hulls(pose, _LEFT_ARM), _hand(pose, 18, 20)], LEFT),
        _part([*_hulls(pose, _RIGHT_ARM), _hand(pose, 19, 21)], RIGHT),
    ]


def facing(pose: Array) -> Array:
    """Unit vector (3,) on the floor to where hips and shoulders face."""
    across = (pose[1] - pose[2]) + (pose[16] - pose[17])  # to the person's left
    return _unit(np.cross(across, [0.0, 1.0, 0.0]) * np.array([1.0, 0.0, 1.0]))


def body_json() -> dict[str, Any]:
    """Limbs, measures and colours of this body as JSON values, for a viewer that draws it itself."""
    colours = {"left": LEFT, "right": RIGHT, "trunk": TRUNK, "nose": NOSE, "mark": START}
    return {
        "left": [*_LEFT_LEG, *_LEFT_ARM],
        "right": [*_RIGHT_LEG, *_RIGHT_ARM],
        "colours": {name: "#" + bytes(colour).hex() for name, colour in colours.items()},
        "head_radius_m": HEAD_RADIUS_M,
        "hand_radius_m": _HAND_RADIUS_M,
        "feet": FEET,
    }


def _part(hulls: list[Hull], colour: Colour) -> Part:
    return Part(hulls, colour, np.concatenate([hull.centres for hull in hulls]).mean(axis=0))


def _hulls(pose: Array, part: Sequence[Sequence[tuple[int, float]]]) -> list[Hull]:
    hulls = []
    for balls in part:
        joints = [joint for joint, _ in balls]
        starts = {
            PARENTS[joint] for joint in joints
        }  # a ball where a bone of the hull starts moves with that bone
        carriers = tuple(joint if joint in starts else PARENTS[joint] for joint in joints)
        hulls.append(Hull(pose[joints], np.array([radius for _, radius in balls]), carriers))
    return hulls


def _head(pose: Array) -> list[Part]:
    """Neck, head, and a nose that shows the facing."""
    up, ahead = _unit(pose[15] - pose[12]), facing(pose)
    centre = pose[15] + 0.075 * up
    neck = Hull(pose[[12, 15]], np.array([0.045, 0.045]), (12, 12))
    skull = Hull(np.stack([centre - 0.02 * up, centre + 0.02 * up]), np.full(2, HEAD_RADIUS_M), (15, 15))
    nose = Hull(np.stack([centre + 0.09 * ahead, centre + 0.14 * ahead]), np.array([0.03, 0.022]), (15, 15))
    below = centre - 0.05 * up  # so that the head, seen from above, covers the neck
    return [Part([neck], TRUNK, below), _part([skull], TRUNK), _part([nose], NOSE)]


def _hand(pose: Array, elbow: int, wrist: int) -> Hull:
    tip = pose[wrist] + 0.06 * _unit(pose[wrist] - pose[elbow])
    return Hull(np.stack([pose[wrist], tip]), np.array([0.029, _HAND_RADIUS_M]), (wrist, wrist))


def _unit(vector: Array) -> Array:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9))
