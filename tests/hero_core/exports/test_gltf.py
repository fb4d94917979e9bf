"""Mannequins and VRM animations, read back by a reader of the tests' own and, where node is, by Khronos' validator."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hero_core.exports.gltf import write_glb, write_vrma
from hero_core.motion import rotations as rot
from hero_core.motion.canonical import canonicalise, facing
from hero_core.motion.format import FPS, JOINT_COUNT
from hero_core.motion.joint_names import joint_names
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import PARENTS
from tests.hero_core.exports.gltf_reading import read_gltf
from tests.hero_core.hard_motions import mirrored, rigid_motions, stretched

MakeMotion = Callable[..., Array]

VALIDATE = """
const fs = require('fs'), path = process.argv[1];
require('gltf-validator').validateBytes(new Uint8Array(fs.readFileSync(path)))
  .then(report => console.log(JSON.stringify(report.issues)));
"""
_ROUNDING_M = 1e-5


@pytest.mark.parametrize("write", [write_glb, write_vrma])
def test_rigid_bodies_come_back_through_any_turn(tmp_path: Path, make_motion: MakeMotion, write) -> None:
    for what, joints in rigid_motions(make_motion).items():
        error_m = write(tmp_path / "motion.glb", joints, FPS)
        places, _ = read_gltf(tmp_path / "motion.glb").posed()
        assert error_m < _ROUNDING_M, what
        np.testing.assert_allclose(places[:, :JOINT_COUNT], joints, atol=_ROUNDING_M, err_msg=what)


@pytest.mark.parametrize("seed", range(3))
def test_a_mannequin_stretches_with_its_motion(tmp_path: Path, make_motion: MakeMotion, seed: int) -> None:
    joints = stretched(make_motion(seed=seed, turn=7.0), seed=seed)
    assert write_glb(tmp_path / "motion.glb", joints, FPS) == 0.0
    places, _ = read_gltf(tmp_path / "motion.glb").posed()
    np.testing.assert_allclose(places[:, :JOINT_COUNT], joints, atol=_ROUNDING_M)


def test_a_vrm_animation_tells_how_far_rigid_bones_are_off(tmp_path: Path, make_motion: MakeMotion) -> None:
    joints = stretched(make_motion())
    error_m = write_vrma(tmp_path / "motion.vrma", joints, FPS)
    places, _ = read_gltf(tmp_path / "motion.vrma").posed()
    assert np.linalg.norm(places - joints, axis=-1).max() == pytest.approx(error_m, abs=_ROUNDING_M)
    assert 1e-3 < error_m < 0.12
    other = write_vrma(tmp_path / "motion.vrma", mirrored(joints), FPS)
    assert other == pytest.approx(error_m, abs=_ROUNDING_M)


def test_joints_have_vrm_names_in_one_tree(tmp_path: Path, make_motion: MakeMotion) -> None:
    write_glb(tmp_path / "motion.glb", make_motion(), FPS)
    gltf = read_gltf(tmp_path / "motion.glb")
    assert gltf.names() == [*joint_names("vrm"), "mannequin"]
    assert gltf.parents()[:JOINT_COUNT] == list(PARENTS)
    assert gltf.document["skins"][0]["joints"] == list(range(JOINT_COUNT))


def test_frames_are_a_twentieth_of_a_second_apart(tmp_path: Path, make_motion: MakeMotion) -> None:
    write_glb(tmp_path / "motion.glb", make_motion(frames=41), FPS)
    np.testing.assert_allclose(read_gltf(tmp_path / "motion.glb").times(), np.arange(41) / 20.0, atol=1e-6)


def test_rest_is_a_t_pose_on_the_floor_that_faces_ahead_as_the_motion_does(
    tmp_path: Path, make_motion: MakeMotion
) -> None:
    joints = canonicalise(make_motion())
    write_glb(tmp_path / "motion.glb", joints, FPS)
    gltf = read_gltf(tmp_path / "motion.glb")
    offsets = np.array([node["translation"] for node in gltf.document["nodes"][:JOINT_COUNT]])
    rest = offsets.copy()
    for joint, parent in enumerate(PARENTS[1:], start=1):
        rest[joint] += rest[parent]
    assert rest[:, 1].min() == pytest.approx(0.0, abs=1e-9)
    arms = rot.unit(offsets[[18, 20, 19, 21]])
    np.testing.assert_allclose(arms, [[1, 0, 0], [1, 0, 0], [-1, 0, 0], [-1, 0, 0]], atol=1e-9)
    np.testing.assert_allclose(rot.unit(offsets[[4, 5, 7, 8]]), np.tile([0, -1, 0], (4, 1)), atol=1e-9)
    assert facing(rest) @ [0, 0, 1] > 0.99
    assert facing(joints[0]) @ [0, 0, 1] > 0.99
    inverse = gltf.numbers(gltf.document["skins"][0]["inverseBindMatrices"]).reshape(-1, 4, 4)
    np.testing.assert_allclose(inverse[:, 3, :3], -rest, atol=1e-6)  # columns first


def test_turns_go_the_short_way_between_frames(tmp_path: Path, make_motion: MakeMotion) -> None:
    write_glb(tmp_path / "motion.glb", make_motion(frames=120, turn=10.0 * np.pi), FPS)
    gltf = read_gltf(tmp_path / "motion.glb")
    for channel in gltf.document["animations"][0]["channels"]:
        if channel["target"]["path"] == "rotation":
            q = gltf.numbers(gltf.document["animations"][0]["samplers"][channel["sampler"]]["output"])
            np.testing.assert_allclose(np.linalg.norm(q, axis=1), 1.0, atol=1e-6)
            assert np.sum(q[1:] * q[:-1], axis=1).min() > 0.0


def test_the_skin_is_closed_and_faces_outwards(tmp_path: Path, make_motion: MakeMotion) -> None:
    write_glb(tmp_path / "motion.glb", make_motion(), FPS)
    gltf = read_gltf(tmp_path / "motion.glb")
    for primitive in gltf.document["meshes"][0]["primitives"]:
        place, normal = (gltf.numbers(primitive["attributes"][name]) for name in ("POSITION", "NORMAL"))
        triangles = gltf.numbers(primitive["indices"]).astype(int).reshape(-1, 3)
        corners = place[triangles]
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert np.sum(across * normal[triangles].mean(axis=1), axis=1).min() > 0.0
        edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
        assert len(np.unique(edges, axis=0)) == len(edges)
        assert {tuple(edge) for edge in edges} == {tuple(edge) for edge in edges[:, ::-1]}
        np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1.0, atol=1e-6)


def test_the_skin_moves_with_the_joints(tmp_path: Path, make_motion: MakeMotion) -> None:
    joints = stretched(make_motion(turn=7.0, sway=0.8))
    write_glb(tmp_path / "motion.glb", joints, FPS)
    gltf = read_gltf(tmp_path / "motion.glb")
    places, turns = gltf.posed()
    inverse = gltf.numbers(gltf.document["skins"][0]["inverseBindMatrices"]).reshape(-1, 4, 4)[:, 3, :3]
    for primitive in gltf.document["meshes"][0]["primitives"]:
        vertices, carriers, weights = (
            gltf.numbers(primitive["attributes"][name]) for name in ("POSITION", "JOINTS_0", "WEIGHTS_0")
        )
        np.testing.assert_array_equal(weights, np.tile([255, 0, 0, 0], (len(weights), 1)))
        carrier = carriers[:, 0].astype(int)
        moved = places[:, carrier] + rot.rotate(turns[:, carrier], vertices + inverse[carrier])  # (n, v, 3)
        near = np.linalg.norm(moved[:, :, None] - joints[:, None], axis=-1).min(axis=2)
        assert near.max() < 0.3  # a head's radius and a nose


def test_vrm_animations_say_which_node_is_which_bone(tmp_path: Path, make_motion: MakeMotion) -> None:
    write_vrma(tmp_path / "motion.vrma", stretched(make_motion()), FPS)
    document = read_gltf(tmp_path / "motion.vrma").document
    extension = document["extensions"]["VRMC_vrm_animation"]
    assert document["extensionsUsed"] == ["VRMC_vrm_animation"]
    assert extension["specVersion"] == "1.0"
    bones = extension["humanoid"]["humanBones"]
    assert {name: document["nodes"][bone["node"]]["name"] for name, bone in bones.items()} == {
        name: name for name in joint_names("vrm")
    }
    moved = {
        channel["target"]["node"]
        for channel in document["animations"][0]["channels"]
        if channel["target"]["path"] == "translation"
    }
    assert moved == {bones["hips"]["node"]}  # the specification allows no other
    assert "meshes" not in document


@pytest.mark.parametrize("write", [write_glb, write_vrma])
def test_the_validator_of_khronos_has_nothing_to_say(tmp_path: Path, make_motion: MakeMotion, write) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    path = tmp_path / "motion.glb"
    write(path, stretched(make_motion(turn=7.0)), FPS)
    checked = subprocess.run([node, "-e", VALIDATE, path], capture_output=True, text=True)
    if "Cannot find module 'gltf-validator'" in checked.stderr:
        pytest.skip("node has no gltf-validator: npm install gltf-validator, and NODE_PATH")
    issues = json.loads(checked.stdout)
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]
