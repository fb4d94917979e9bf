"""From the skeletons of public BVH files to HumanML3D's 22 joints.

Limbs go by name: the three styles of the CMU conversions, Mixamo's, Unreal's, Blender's and SMPL's. The trunk goes
by its shape, because one name (Spine1, Neck) means other joints in other styles. Where a skeleton has no such
joint its place is computed, and the notes say so.
"""

import re
from collections.abc import Sequence

import numpy as np

from hero_core.errors import InputError
from hero_core.motion import rotations as rot
from hero_core.motion.bvh import BvhMotion
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import JOINT_NAMES

# Names of one joint in order of preference, without case, separators and side. A name taken for an earlier row
# is not taken twice: "LeftFoot" is the ankle, unless there is a "LeftAnkle"; then it is the foot.
_LIMBS = {
    "hip": ("upleg", "femur", "thigh", "upperleg", "hip"),
    "knee": ("leg", "tibia", "knee", "lowerleg", "lowleg", "shin", "calf"),
    "ankle": ("ankle", "foot"),
    "foot": ("toebase", "toes", "toe", "toe0", "ball", "foot"),
    "shoulder": ("arm", "humerus", "upperarm", "uparm", "shoulder"),
    "elbow": ("forearm", "radius", "elbow", "lowerarm", "lowarm"),
    "wrist": ("wrist", "hand"),
    "collar": ("collar", "clavicle", "shoulder"),
}
_OPTIONAL = ("foot", "collar")
_PELVIS = ("hips", "hip", "pelvis", "root")
_NAMESPACE = re.compile(r"^(mixamorig\d*|bip0*1)")

_SPINE_FRACTIONS = (0.40, 0.83)  # spine1 and spine2 on the way from pelvis to spine3, in HumanML3D's skeleton
_NECK_FRACTION = 0.68  # neck on the way from spine3 to head
_COLLAR_FRACTION = 0.45  # collar on the way from the mid line to the shoulder
_COINCIDE = 1e-3  # of the skeleton's largest offset
_UP = np.array([0.0, 1.0, 0.0])


def to_22_joints(motion: BvhMotion) -> tuple[Array, tuple[str, ...]]:
    """HumanML3D's joints (n, 22, 3), in the motion's unit, and notes on what had to be approximated.

    Raises:
        InputError: a joint that can be neither found nor computed.
    """
    index = _find_joints(motion)
    notes: list[str] = []
    places = {name: motion.positions[:, joint] for name, joint in index.items()}
    _place_feet(motion, index, places, notes)
    _place_trunk(motion, index, places, notes)
    _place_collars(motion, index, places, notes)
    return np.stack([places[name] for name in JOINT_NAMES], axis=1), tuple(notes)


def starts_with_a_jump(joints: Array) -> bool:
    """Whether the first frame of (n, 22, 3) is no part of the motion, such as the T-pose many public files begin with.

    It then is far from the second frame, while the next ones follow each other closely.
    """
    if len(joints) < 3:
        return False
    leg = np.linalg.norm(joints[0, 1] - joints[0, 4]) + np.linalg.norm(joints[0, 4] - joints[0, 7])
    steps = np.linalg.norm(np.diff(joints[:12], axis=0), axis=-1).max(axis=1)
    return bool(steps[0] > 0.3 * leg and steps[0] > 5.0 * steps[1:].max())


def _find_joints(motion: BvhMotion) -> dict[str, int]:
    """Pelvis, head and limbs by name; feet and collars may be missing."""
    plain = {_plain(name): joint for joint, name in reversed(list(enumerate(motion.names)))}
    index = {"pelvis": next((plain[name] for name in _PELVIS if name in plain), 0)}
    taken: set[int] = set()
    for part, aliases in _LIMBS.items():
        for side in ("left", "right"):
            spellings = (
                spelling
                for alias in aliases
                for spelling in (side + alias, side[0] + alias, alias + side, alias + side[0])
            )
            found = next((plain[s] for s in spellings if s in plain and plain[s] not in taken), None)
            if found is not None:
                index[f"{side}_{part}"] = found
                taken.add(found)
            elif part not in _OPTIONAL:
                raise InputError(f"no joint for {side}_{part} among {_shorten(motion.names)}")
    if "head" not in plain:
        raise InputError(f"no joint for head among {_shorten(motion.names)}")
    return index | {"head": plain["head"]}


def _plain(name: str) -> str:
    """ "mixamorig:LeftUpLeg" -> "leftupleg"."""
    return _NAMESPACE.sub("", re.sub(r"[^a-z0-9]", "", name.rsplit(":", 1)[-1].lower()))


def _shorten(names: Sequence[str]) -> str:
    text = ", ".join(names)
    return text if len(text) < 200 else text[:200] + " ..."


def _place_feet(motion: BvhMotion, index: dict[str, int], places: dict[str, Array], notes: list[str]) -> None:
    """A missing toe joint is where the foot bone ends."""
    for side in ("left", "right"):
        if f"{side}_foot" in index:
            continue
        ankle = index[f"{side}_ankle"]
        ends = [joint for joint, parent in enumerate(motion.parents) if parent == ankle]
        if not ends:
            raise InputError(f"no joint for {side}_foot: {motion.names[ankle]} has no end")
        places[f"{side}_foot"] = motion.positions[:, ends[0]]
        notes.append(f"{side}_foot taken from the end of {motion.names[ankle]}")


def _place_trunk(
    motion: BvhMotion, index: dict[str, int], places: dict[str, Array], notes: list[str]
) -> None:
    """Spine, neck and head, from the path pelvis -> where the arms branch off -> head."""
    branch = _common_ancestor(motion.parents, index["left_shoulder"], index["right_shoulder"])
    trunk = _distinct(motion, _path(motion.parents, index["pelvis"], branch))
    upper = _distinct(motion, _path(motion.parents, branch, index["head"]))
    if not trunk or not upper:
        raise InputError(
            "the trunk must lead from the pelvis to where the arms branch off, and on to the head"
        )
    pelvis, top, head = places["pelvis"], motion.positions[:, branch], places["head"]

    if len(trunk) >= 3:
        first, second = _nearest_fractions(motion, trunk)
        places["spine1"], places["spine2"] = motion.positions[:, first], motion.positions[:, second]
    elif len(trunk) == 2 and _arms_start_at(motion, index, branch):
        # Public conversions of CMU's data drop the thorax: all above it hangs too low by its length, which is
        # about that of the bone below (1.00 to 1.04 of it in CMU's own files).
        length = np.linalg.norm(motion.offsets[branch])
        thorax = rot.rotate(_orientation(motion, branch), _UP * length)
        places["spine1"], places["spine2"] = motion.positions[:, trunk[0]], top
        for side in ("left", "right"):
            for part in ("collar", "shoulder", "elbow", "wrist"):
                if f"{side}_{part}" in places:
                    places[f"{side}_{part}"] = places[f"{side}_{part}"] + thorax
        top, head = top + thorax, head + thorax
        notes.append(f"no thorax bone: spine3 put {length:.3g} units above {motion.names[branch]}")
    else:
        near, far = _SPINE_FRACTIONS
        places["spine1"], places["spine2"] = _mix(pelvis, top, near), _mix(pelvis, top, far)
        notes.append("short spine: spine1 and spine2 put on the line from pelvis to spine3")

    shift = top - motion.positions[:, branch]
    places["spine3"], places["head"] = top, head
    if len(upper) >= 2:
        places["neck"] = motion.positions[:, upper[0]] + shift
    else:
        places["neck"] = _mix(top, head, _NECK_FRACTION)
        notes.append("no neck: put on the line from spine3 to head")


def _place_collars(
    motion: BvhMotion, index: dict[str, int], places: dict[str, Array], notes: list[str]
) -> None:
    """Collars of their own, or 45 % of the way from where the clavicle starts in the mid line."""
    found = "left_collar" in index and "right_collar" in index
    rest = _rest_pose(motion)
    if found and not _coincide(motion, rest[index["left_collar"]], rest[index["right_collar"]]):
        return
    for side in ("left", "right"):
        start = places[f"{side}_collar"] if found else places["spine3"]
        places[f"{side}_collar"] = _mix(start, places[f"{side}_shoulder"], _COLLAR_FRACTION)
    notes.append("collars put 45 % of the way from the mid line to the shoulders")


def _path(parents: Sequence[int], start: int, end: int) -> list[int]:
    """Joints after `start` down to `end`; empty where `end` is not below `start`."""
    path = []
    while end not in (start, -1):
        path.append(end)
        end = parents[end]
    return path[::-1] if end == start else []


def _common_ancestor(parents: Sequence[int], a: int, b: int) -> int:
    above = {-1, a, *_path(parents, -1, a)}
    while b not in above:
        b = parents[b]
    if b == -1:
        raise InputError("the shoulders are not part of one tree")
    return b


def _rest_pose(motion: BvhMotion) -> Array:
    rest = motion.offsets.copy()
    for joint, parent in enumerate(motion.parents):
        if parent >= 0:
            rest[joint] += rest[parent]
    return rest


def _coincide(motion: BvhMotion, a: Array, b: Array) -> bool:
    return bool(np.linalg.norm(a - b) <= _COINCIDE * np.linalg.norm(motion.offsets[1:], axis=1).max())


def _distinct(motion: BvhMotion, path: Sequence[int]) -> list[int]:
    """The joints of a path that do not sit on the joint before."""
    return [joint for joint in path if not _coincide(motion, motion.offsets[joint], np.zeros(3))]


def _arms_start_at(motion: BvhMotion, index: dict[str, int], branch: int) -> bool:
    rest = _rest_pose(motion)
    collars = [index[name] for name in ("left_collar", "right_collar") if name in index]
    return len(collars) == 2 and all(_coincide(motion, rest[joint], rest[branch]) for joint in collars)


def _nearest_fractions(motion: BvhMotion, trunk: Sequence[int]) -> tuple[int, int]:
    """The two joints of a trunk of three or more that lie most like spine1 and spine2; the last is spine3."""
    lengths = np.linalg.norm(motion.offsets[list(trunk)], axis=1)
    fractions = np.cumsum(lengths) / lengths.sum()
    first = int(np.argmin(np.abs(fractions[:-2] - _SPINE_FRACTIONS[0])))
    second = first + 1 + int(np.argmin(np.abs(fractions[first + 1 : -1] - _SPINE_FRACTIONS[1])))
    return trunk[first], trunk[second]


def _orientation(motion: BvhMotion, joint: int) -> Array:
    """Global rotation (n, 4) of a joint."""
    turned = motion.rotations[:, joint]
    while (joint := motion.parents[joint]) >= 0:
        turned = rot.multiply(motion.rotations[:, joint], turned)
    return turned


def _mix(start: Array, end: Array, fraction: float) -> Array:
    mixed: Array = start + fraction * (end - start)
    return mixed
