from itertools import pairwise

import numpy as np

from hero_core.motion import rotations as rot
from hero_core.motion import skeleton
from hero_core.motion.format import JOINT_COUNT


def test_names_parents_and_chains_describe_one_tree() -> None:
    assert len(skeleton.JOINT_NAMES) == len(skeleton.PARENTS) == JOINT_COUNT == 22
    assert all(parent < joint for joint, parent in enumerate(skeleton.PARENTS))
    bones = {bone for chain in skeleton.KINEMATIC_CHAINS for bone in pairwise(chain)}
    assert bones == {(parent, joint) for joint, parent in enumerate(skeleton.PARENTS) if joint}


def test_rest_pose_stands_upright_with_the_left_at_plus_x() -> None:
    still = np.tile(rot.IDENTITY, (22, 1))
    rest = dict(
        zip(
            skeleton.JOINT_NAMES,
            skeleton.forward_kinematics(still, np.zeros(3), skeleton.TARGET_OFFSETS),
            strict=True,
        )
    )
    assert (
        rest["head"][1]
        > rest["neck"][1] - 1e-9
        > rest["pelvis"][1]
        > rest["left_knee"][1]
        > rest["left_ankle"][1]
    )
    for part in ("hip", "knee", "shoulder", "wrist", "foot"):
        assert rest[f"left_{part}"][0] > 0 > rest[f"right_{part}"][0]
    assert rest["left_foot"][2] > rest["left_ankle"][2]


def test_raw_offsets_are_directions() -> None:
    np.testing.assert_allclose(np.linalg.norm(skeleton.RAW_OFFSETS[1:], axis=1), 1.0)


def test_a_rotation_turns_what_is_below_its_joint() -> None:
    rotations = np.tile(rot.IDENTITY, (22, 1))
    rotations[16] = rot.from_axis_angle([0.0, 0.0, np.pi / 2])  # left shoulder: from hanging to pointing left
    still = skeleton.forward_kinematics(np.tile(rot.IDENTITY, (22, 1)), np.zeros(3), skeleton.TARGET_OFFSETS)
    posed = skeleton.forward_kinematics(rotations, np.zeros(3), skeleton.TARGET_OFFSETS)
    moved = np.linalg.norm(posed - still, axis=1) > 1e-9
    assert np.flatnonzero(moved).tolist() == [18, 20]
    arm = skeleton.bone_lengths(still)[[17, 19]].sum()
    np.testing.assert_allclose(posed[20] - posed[16], [arm, 0, 0], atol=1e-12)


def test_kinematics_keep_bone_lengths_and_take_batches() -> None:
    rng = np.random.default_rng(0)
    rotations = rot.unit(rng.normal(size=(2, 5, 22, 4)))
    root = rng.normal(size=(2, 5, 3))
    joints = skeleton.forward_kinematics(rotations, root, skeleton.TARGET_OFFSETS)
    assert joints.shape == (2, 5, 22, 3)
    np.testing.assert_array_equal(joints[..., 0, :], root)
    expected = np.linalg.norm(skeleton.TARGET_OFFSETS[1:], axis=1)
    np.testing.assert_allclose(
        skeleton.bone_lengths(joints), np.broadcast_to(expected, (2, 5, 21)), atol=1e-12
    )


def test_constants_cannot_be_changed() -> None:
    for constant in (skeleton.RAW_OFFSETS, skeleton.TARGET_OFFSETS, rot.IDENTITY):
        assert not constant.flags.writeable
