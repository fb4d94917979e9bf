"""Blender's own importers find every joint where the motion has it; needs Blender as a Python module (bpy)."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hero_core.exports import export
from hero_core.motion.joint_names import SkeletonName, joint_names
from hero_core.motion.rotations import Array
from tests.hero_core.hard_motions import stretched

bpy = pytest.importorskip("bpy", reason="Blender as a Python module (bpy) is not installed")


def joints_in_blender(names: tuple[str, ...], first: int, frames: int) -> Array:
    """Joints (n, 22, 3), Y up, of the one armature."""
    (armature,) = [each for each in bpy.context.scene.objects if each.type == "ARMATURE"]
    places = []
    for frame in range(first, first + frames):
        bpy.context.scene.frame_set(frame)
        places.append([armature.matrix_world @ armature.pose.bones[name].head for name in names])
    x, y, z = np.moveaxis(np.array(places, np.float64), -1, 0)
    return np.stack([x, z, -y], axis=-1)  # Blender has Z up


@pytest.mark.parametrize(("suffix", "skeleton"), [(".bvh", "humanml3d"), (".glb", "vrm")])
@pytest.mark.parametrize("loose", [False, True])
def test_blender_shows_the_same_joints(
    tmp_path: Path, make_motion: Callable[..., Array], suffix: str, skeleton: SkeletonName, loose: bool
) -> None:
    joints = make_motion(turn=10.0, sway=0.5)
    joints = stretched(joints) if loose else joints
    path = export(joints, tmp_path / f"motion{suffix}").path
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = 20
    if suffix == ".bvh":
        bpy.ops.import_anim.bvh(filepath=str(path), update_scene_fps=True)
    else:
        bpy.ops.import_scene.gltf(filepath=str(path))
    first = 1 if suffix == ".bvh" else 0
    back = joints_in_blender(joint_names(skeleton), first, len(joints))
    np.testing.assert_allclose(back, joints, atol=5e-5)
    assert bpy.context.scene.render.fps == 20
