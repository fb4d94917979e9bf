"""Reading BVH motion capture files with any skeleton.

`bvh_joints.to_22_joints` maps what was read to HumanML3D's joints; `bvh_writer` writes those.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hero_core.choices import UpAxis
from hero_core.errors import InputError
from hero_core.motion import rotations as rot
from hero_core.motion.arrays import MEBIBYTE, check_size
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import Z_UP_TO_Y_UP, forward_kinematics

_LARGEST = 1e9  # no coordinate or angle is this large in any unit
_AXES = {"x": 0, "y": 1, "z": 2}


@dataclass(frozen=True)
class BvhMotion:
    """What a BVH file holds, Y up. End sites are joints too, named after their parent: "Head end".

    Attributes:
        names, parents: ``j`` joints; the root's parent is -1.
        offsets: ``(j, 3)``, the rest pose: each joint relative to its parent, all rotations zero.
        fps: frames per second.
        up: the axis of the file that became Y; ``rest_up`` the one along which its rest pose is taller.
        rotations: ``(n, j, 4)`` quaternions local to the parent.
        positions: ``(n, j, 3)``, in the file's unit, which BVH does not state.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Array
    fps: float
    up: UpAxis
    rest_up: UpAxis
    rotations: Array
    positions: Array


@dataclass
class _Hierarchy:
    names: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    offsets: list[list[float]] = field(default_factory=list)
    channels: list[list[str]] = field(default_factory=list)  # such as "Zrotation", in the file's order


def read_bvh(path: Path, up: UpAxis | None = None, max_bytes: int = 64 * MEBIBYTE) -> BvhMotion:
    """Read a BVH file with any hierarchy, channel order and rotation order.

    up: the file's vertical axis; None takes the one along which the rest pose is taller, which suits people.

    Raises:
        InputError: no such file, too large, not BVH, truncated, or lines that do not fit the hierarchy.
    """
    hierarchy, fps, values = _parse(_text(path, max_bytes), path)
    offsets = np.array(hierarchy.offsets, np.float64)
    translations, rotations = _apply_channels(hierarchy, offsets, values)
    parents = tuple(hierarchy.parents)
    rest_up = _taller_axis(offsets, parents)
    up = up or rest_up
    if up == "z":
        offsets = rot.rotate(Z_UP_TO_Y_UP, offsets)
        translations = rot.rotate(Z_UP_TO_Y_UP, translations)
        rotations = rot.multiply(rot.multiply(Z_UP_TO_Y_UP, rotations), rot.conjugate(Z_UP_TO_Y_UP))
    positions = forward_kinematics(rotations, translations[:, 0], translations, parents)
    return BvhMotion(tuple(hierarchy.names), parents, offsets, fps, up, rest_up, rotations, positions)


def _text(path: Path, max_bytes: int) -> str:
    try:
        check_size(str(path), path.stat().st_size, max_bytes)
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _parse(text: str, path: Path) -> tuple[_Hierarchy, float, Array]:
    """Hierarchy, fps and channel values (n, channels)."""
    lines = ((number, line.split()) for number, line in enumerate(text.splitlines(), start=1))
    filled = ((number, words) for number, words in lines if words)
    hierarchy = _parse_hierarchy(filled, path)
    frames = _parse_header_number(filled, path, "Frames:", 1)
    seconds = _parse_header_number(filled, path, "Frame Time:", 2)
    if seconds <= 0 or not np.isfinite(seconds):
        raise InputError(f"{path}: frame time {seconds} s; it must be positive")
    width = sum(map(len, hierarchy.channels))
    rows = [_parse_frame(words, width, number, path) for number, words in filled]
    if not rows:
        raise InputError(f"{path}: no frames")
    if len(rows) != frames:
        raise InputError(f"{path}: {len(rows)} frames, but {frames:.0f} are stated; the file is not whole")
    values = np.stack(rows)
    if not (np.abs(values) < _LARGEST).all():
        raise InputError(f"{path}: NaN, infinite or absurdly large values")
    return hierarchy, _whole_if_close(1.0 / seconds), values


def _parse_frame(words: list[str], width: int, number: int, path: Path) -> Array:
    if len(words) != width:
        raise InputError(
            f"{path}: line {number} has {len(words)} values, but the hierarchy has {width} channels; "
            "the file is damaged or cut off"
        )
    try:
        return np.array(words, np.float64)
    except ValueError:
        raise InputError(f"{path}: line {number} holds something that is not a number") from None


def _parse_hierarchy(lines: Iterator[tuple[int, list[str]]], path: Path) -> _Hierarchy:
    """Everything up to the line MOTION."""
    tree = _Hierarchy()
    stack: list[int] = []
    for number, words in lines:
        keyword = words[0].upper()
        try:
            if keyword == "MOTION":
                break
            if keyword in ("ROOT", "JOINT", "END"):
                parent = stack[-1] if stack else -1
                tree.names.append(f"{tree.names[parent]} end" if keyword == "END" else " ".join(words[1:]))
                tree.parents.append(parent)
                tree.offsets.append([0.0, 0.0, 0.0])
                tree.channels.append([])
            elif keyword == "{":
                stack.append(len(tree.names) - 1)
            elif keyword == "}":
                stack.pop()
            elif keyword == "OFFSET":
                tree.offsets[stack[-1]] = [float(word) for word in words[1:4]]
                if len(words) != 4 or not (np.abs(tree.offsets[stack[-1]]) < _LARGEST).all():
                    raise ValueError
            elif keyword == "CHANNELS":
                tree.channels[stack[-1]] = [_channel(word) for word in words[2:]]
                if len(words) - 2 != int(words[1]):
                    raise ValueError
            elif keyword != "HIERARCHY":
                raise ValueError
        except (ValueError, IndexError):
            raise InputError(f"{path}: line {number} is not BVH: {' '.join(words)[:60]!r}") from None
    else:
        raise InputError(f"{path}: not a BVH file, or it ends before its line MOTION")
    if stack or not tree.names or tree.parents.count(-1) != 1:
        raise InputError(f"{path}: the hierarchy must be one tree with balanced braces")
    return tree


def _channel(word: str) -> str:
    channel = word.lower()
    if channel[:1] not in _AXES or channel[1:] not in ("position", "rotation"):
        raise ValueError(word)
    return channel


def _parse_header_number(
    lines: Iterator[tuple[int, list[str]]], path: Path, label: str, words_in_label: int
) -> float:
    _, words = next(lines, (0, []))
    try:
        if " ".join(words[:words_in_label]).lower() != label.lower():
            raise ValueError
        return float(words[words_in_label])
    except (ValueError, IndexError):
        raise InputError(f"{path}: expected '{label} <number>' after the line MOTION") from None


def _whole_if_close(fps: float) -> float:
    """Frame times are rounded: 0.008333 s means 120 fps. 23.976 stays what it is."""
    whole = round(fps)
    return float(whole) if abs(fps - whole) < 3e-4 * fps else fps


def _apply_channels(tree: _Hierarchy, offsets: Array, values: Array) -> tuple[Array, Array]:
    """Each frame's translation (n, j, 3) and rotation (n, j, 4) of every joint relative to its parent.

    Position channels stand in for the offset; rotations multiply in the order of the channels.
    """
    translations = np.tile(offsets, (len(values), 1, 1))
    rotations = np.tile(rot.IDENTITY, (len(values), len(offsets), 1))
    column = 0
    for joint, channels in enumerate(tree.channels):
        for channel in channels:
            axis, value = _AXES[channel[0]], values[:, column]
            if channel.endswith("position"):
                translations[:, joint, axis] = value
            else:
                turn = rot.from_axis_angle(np.deg2rad(value)[:, None] * np.eye(3)[axis])
                rotations[:, joint] = rot.multiply(rotations[:, joint], turn)
            column += 1
    return translations, rotations


def _taller_axis(offsets: Array, parents: tuple[int, ...]) -> UpAxis:
    """The vertical axis of a person's rest pose; arms may be stretched out, but along X."""
    still = np.tile(rot.IDENTITY, (len(offsets), 1))
    rest = forward_kinematics(still, np.zeros(3), offsets, parents)
    _, height, depth = np.ptp(rest, axis=0)
    return "z" if depth > 2.0 * height else "y"
