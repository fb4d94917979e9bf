"""A motion as glTF: a mannequin that moves (.glb), and an animation for VRM figures (.vrma)."""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hero_core.exports.glb import Buffer, Json, write_container
from hero_core.exports.mannequin import Skin, mannequin
from hero_core.motion import rotations as rot
from hero_core.motion.fit import CHILDREN, EXACT_M, Fit, fit, fit_stretching
from hero_core.motion.format import JOINT_COUNT
from hero_core.motion.joint_names import joint_names
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import forward_kinematics
from hero_core.view.figure import Colour

_LINEAR_ABOVE = 0.04045  # of a colour in [0, 1], where sRGB stops being linear (IEC 61966-2-1)


def write_glb(path: Path, joints: ArrayLike, fps: float) -> float:
    """Write joints (n, 22, 3), metres, Y up, as a mannequin of capsules with skeleton and animation.

    Bones stretch where this motion's do by more than a millimetre. Returns the largest position error in metres.

    Raises:
        InputError: not (n, 22, 3), or values that are not finite.
    """
    fitted = fit(joints)
    stretching = fitted.error_m > EXACT_M
    if stretching:
        fitted = fit_stretching(joints)
    rest = _rest(fitted.offsets)
    buffer = Buffer()
    skins = mannequin(rest)
    inverse_bind = np.tile(np.eye(4, dtype=np.float32), (JOINT_COUNT, 1, 1))
    inverse_bind[:, :3, 3] = -rest
    document: Json = {
        "scene": 0,
        "scenes": [{"nodes": [0, JOINT_COUNT]}],
        "nodes": [*_joint_nodes(fitted.offsets, rest), {"name": "mannequin", "mesh": 0, "skin": 0}],
        "meshes": [{"name": "mannequin", "primitives": _primitives(skins, buffer)}],
        "materials": [_material(skin.colour) for skin in skins],
        "skins": [
            {
                "joints": list(range(JOINT_COUNT)),
                "skeleton": 0,
                "inverseBindMatrices": buffer.add(inverse_bind),
            }
        ],
        "animations": [_animation(fitted, fps, stretching, buffer)],
    }
    write_container(path, document, buffer)
    return fitted.error_m


def write_vrma(path: Path, joints: ArrayLike, fps: float) -> float:
    """Write joints (n, 22, 3), metres, Y up, as an animation for VRM figures. Returns the largest error in metres.

    A VRM figure has its own, rigid bones, so only the hips may move and all else turns. The error is that of a figure
    with this body's median bone lengths.

    Raises:
        InputError: not (n, 22, 3), or values that are not finite.
    """
    fitted = fit(joints)
    buffer = Buffer()
    bones = {name: {"node": joint} for joint, name in enumerate(joint_names("vrm"))}
    document: Json = {
        "extensionsUsed": ["VRMC_vrm_animation"],
        "extensions": {"VRMC_vrm_animation": {"specVersion": "1.0", "humanoid": {"humanBones": bones}}},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": _joint_nodes(fitted.offsets, _rest(fitted.offsets)),
        "animations": [_animation(fitted, fps, False, buffer)],
    }
    write_container(path, document, buffer)
    return fitted.error_m


def _rest(offsets: Array) -> Array:
    """Joints (22, 3) of the rest pose, the lowest on the floor."""
    still = np.tile(rot.IDENTITY, (JOINT_COUNT, 1))
    joints = forward_kinematics(still, np.zeros(3), offsets)
    standing: Array = joints - np.array([0.0, joints[:, 1].min(), 0.0])
    return standing


def _joint_nodes(offsets: Array, rest: Array) -> list[Json]:
    """A node for each joint, of the same number."""
    places = np.concatenate([rest[:1], offsets[1:]])
    nodes: list[Json] = []
    for name, place, children in zip(joint_names("vrm"), places, CHILDREN, strict=True):
        node: Json = {"name": name, "translation": [float(value) for value in place]}
        if children:
            node["children"] = list(children)
        nodes.append(node)
    return nodes


def _animation(fitted: Fit, fps: float, stretching: bool, buffer: Buffer) -> Json:
    times = np.arange(len(fitted.rotations), dtype=np.float32) / np.float32(fps)
    clock = buffer.add(times, bounds=True)
    moving = range(JOINT_COUNT) if stretching else range(1)
    turns = fitted.rotations[..., [1, 2, 3, 0]]  # glTF has w last
    tracks = [("rotation", joint, turns[:, joint]) for joint in range(JOINT_COUNT)]
    tracks += [("translation", joint, fitted.translations[:, joint]) for joint in moving]
    return {
        "name": "reaction",
        "samplers": [
            {"input": clock, "output": buffer.add(_float32(values)), "interpolation": "LINEAR"}
            for _, _, values in tracks
        ],
        "channels": [
            {"sampler": sampler, "target": {"node": joint, "path": path}}
            for sampler, (path, joint, _) in enumerate(tracks)
        ],
    }


def _primitives(skins: list[Skin], buffer: Buffer) -> list[Json]:
    primitives = []
    for material, skin in enumerate(skins):
        carriers = np.zeros((len(skin.vertices), 4), np.uint8)
        carriers[:, 0] = skin.carriers
        weights = np.zeros((len(skin.vertices), 4), np.uint8)
        weights[:, 0] = 255
        attributes = {
            "POSITION": buffer.add(_float32(skin.vertices), "vertices", bounds=True),
            "NORMAL": buffer.add(_float32(skin.normals), "vertices"),
            "JOINTS_0": buffer.add(carriers, "vertices"),
            "WEIGHTS_0": buffer.add(weights, "vertices", normalized=True),
        }
        indices = buffer.add(skin.triangles.reshape(-1), "indices")
        primitives.append({"attributes": attributes, "indices": indices, "material": material})
    return primitives


def _material(colour: Colour) -> Json:
    share = np.array(colour) / 255.0
    linear = np.where(share > _LINEAR_ABOVE, ((share + 0.055) / 1.055) ** 2.4, share / 12.92)
    return {
        "pbrMetallicRoughness": {
            "baseColorFactor": [*(round(float(value), 4) for value in linear), 1.0],
            "metallicFactor": 0.0,
            "roughnessFactor": 0.8,
        }
    }


def _float32(values: Array) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)
