from collections.abc import Callable, Mapping

import numpy as np
import pytest

from hero_core.errors import InputError
from hero_core.motion import rotations as rot
from hero_core.motion.bvh import BvhMotion
from hero_core.motion.bvh_joints import starts_with_a_jump, to_22_joints
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import JOINT_NAMES, PARENTS, TARGET_OFFSETS, forward_kinematics

MakeMotion = Callable[..., Array]

PARTS = ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist")
TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")


def style(trunk: str, limbs: str, spell: Callable[[str, str], str]) -> dict[str, str]:
    names = dict(zip(TRUNK, trunk.split(), strict=True))
    for part, word in zip(PARTS, limbs.split(), strict=True):
        names |= {f"{side}_{part}": spell(side, word) for side in ("left", "right")}
    return names


STYLES = {
    "smpl": {name: name for name in JOINT_NAMES},
    "mixamo": style(
        "mixamorig:Hips mixamorig:Spine mixamorig:Spine1 mixamorig:Spine2 mixamorig:Neck mixamorig:Head",
        "UpLeg Leg Foot ToeBase Shoulder Arm ForeArm Hand",
        lambda side, word: f"mixamorig:{side.title()}{word}",
    ),
    "motionbuilder": style(
        "Hips Chest Chest2 Chest3 Neck Head",
        "Hip Knee Ankle Toe Collar Shoulder Elbow Wrist",
        lambda side, word: side.title() + word,
    ),
    "asf": style(
        "hip lowerback upperback thorax lowerneck head",
        "femur tibia foot toes clavicle humerus radius wrist",
        lambda side, word: side[0] + word,
    ),
    "unreal": style(
        "pelvis spine_01 spine_02 spine_03 neck_01 head",
        "thigh calf foot ball clavicle upperarm lowerarm hand",
        lambda side, word: f"{word}_{side[0]}",
    ),
    "blender": style(
        "hips spine spine.001 spine.002 neck head",
        "thigh shin foot toe shoulder upper_arm forearm hand",
        lambda side, word: f"{word}.{side[0].upper()}",
    ),
}


def body(names: Mapping[str, str], offsets: Array | None = None, frames: int = 3) -> BvhMotion:
    """HumanML3D's skeleton under other names, swaying a little."""
    rest = TARGET_OFFSETS.copy() if offsets is None else offsets
    rotations = rot.from_axis_angle(np.random.default_rng(0).normal(scale=0.3, size=(frames, 22, 3)))
    return BvhMotion(
        tuple(names[name] for name in JOINT_NAMES),
        PARENTS,
        rest,
        30.0,
        "y",
        "y",
        rotations,
        forward_kinematics(rotations, np.zeros((frames, 3)), rest),
    )


def without(motion: BvhMotion, name: str) -> BvhMotion:
    """The same motion without a joint; what hung on it hangs on its parent."""
    gone = motion.names.index(name)
    keep = [joint for joint in range(len(motion.names)) if joint != gone]
    parents = [motion.parents[gone] if parent == gone else parent for parent in motion.parents]
    offsets = motion.offsets.copy()
    for joint, parent in enumerate(motion.parents):
        if parent == gone:
            offsets[joint] += offsets[gone]
    return BvhMotion(
        tuple(motion.names[joint] for joint in keep),
        tuple(parents[joint] - (parents[joint] > gone) for joint in keep),
        offsets[keep],
        motion.fps,
        motion.up,
        motion.rest_up,
        motion.rotations[:, keep],
        motion.positions[:, keep],
    )


@pytest.mark.parametrize("name", STYLES)
def test_every_naming_style_finds_every_joint(name: str) -> None:
    motion = body(STYLES[name])
    joints, notes = to_22_joints(motion)
    np.testing.assert_array_equal(joints, motion.positions)
    assert notes == ()


def test_cmu_conversions_get_their_thorax_back() -> None:
    offsets = TARGET_OFFSETS.copy()
    offsets[13:15] = 0.0  # clavicles start in the mid line ...
    motion = without(body(STYLES["mixamo"], offsets), "mixamorig:Spine1")  # ... of a two-joint spine
    joints, notes = to_22_joints(motion)
    below = np.linalg.norm(motion.offsets[motion.names.index("mixamorig:Spine2")])
    np.testing.assert_allclose(np.linalg.norm(joints[:, 9] - joints[:, 6], axis=-1), below)
    branch = motion.positions[:, motion.names.index("mixamorig:Spine2")]
    np.testing.assert_array_equal(joints[:, 6], branch)
    lift = joints[:, 9] - branch
    for joint, name in ((12, "Neck"), (15, "Head"), (18, "LeftForeArm"), (21, "RightHand")):
        place = motion.positions[:, motion.names.index(f"mixamorig:{name}")]
        np.testing.assert_allclose(joints[:, joint], place + lift, atol=1e-12)
    np.testing.assert_allclose(
        joints[:, 13], joints[:, 9] + 0.45 * (joints[:, 16] - joints[:, 9]), atol=1e-12
    )
    assert any("thorax" in note for note in notes)
    assert any("45 %" in note for note in notes)


def test_missing_joints_get_a_place_and_a_note() -> None:
    names = STYLES["mixamo"]
    motion = body(names)
    for gone in ("spine2", "neck", "left_collar", "right_collar"):
        motion = without(motion, names[gone])
    joints, notes = to_22_joints(motion)
    assert np.isfinite(joints).all()
    assert len(notes) == 3
    full = body(names).positions
    exact = [JOINT_NAMES.index(name) for name in ("pelvis", "spine3", "head", "left_shoulder", "right_foot")]
    np.testing.assert_array_equal(joints[:, exact], full[:, exact])


def test_more_spine_joints_than_needed_keep_the_ones_that_fit() -> None:
    motion = body(STYLES["mixamo"])
    names = ("extra", *motion.names)
    parents = (-1, -1, *(parent + 1 for parent in motion.parents[1:]))
    positions = np.concatenate([np.zeros((3, 1, 3)), motion.positions], axis=1)
    offsets = np.concatenate([np.zeros((1, 3)), motion.offsets])
    rotations = np.concatenate([np.tile(rot.IDENTITY, (3, 1, 1)), motion.rotations], axis=1)
    joints, _ = to_22_joints(BvhMotion(names, parents, offsets, 30.0, "y", "y", rotations, positions))
    np.testing.assert_array_equal(joints, motion.positions)


@pytest.mark.parametrize("gone", ["head", "left_knee", "right_wrist"])
def test_a_joint_that_cannot_be_computed_is_named(gone: str) -> None:
    motion = body(STYLES["motionbuilder"])
    with pytest.raises(InputError, match=f"no joint for {gone}"):
        to_22_joints(without(motion, STYLES["motionbuilder"][gone]))


def test_a_leading_t_pose_is_seen_and_a_lively_motion_is_not(make_motion: MakeMotion) -> None:
    motion = make_motion(frames=30)
    t_pose = motion[0].copy()
    t_pose[[18, 20]] = t_pose[16] + np.array([[0.26, 0.0, 0.0], [0.53, 0.0, 0.0]])
    assert starts_with_a_jump(np.concatenate([t_pose[None], motion]))
    assert not starts_with_a_jump(motion)
    assert not starts_with_a_jump(motion[::6])
    assert not starts_with_a_jump(motion[:2])
