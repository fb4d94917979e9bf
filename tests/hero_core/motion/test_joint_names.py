from typing import get_args

import numpy as np
import pytest

from hero_core.motion import rotations as rot
from hero_core.motion.bvh import BvhMotion
from hero_core.motion.bvh_joints import to_22_joints
from hero_core.motion.joint_names import SkeletonName, joint_names
from hero_core.motion.skeleton import JOINT_NAMES, PARENTS, TARGET_OFFSETS, forward_kinematics


@pytest.mark.parametrize("skeleton", get_args(SkeletonName))
def test_every_joint_has_a_name_of_its_own(skeleton: SkeletonName) -> None:
    names = joint_names(skeleton)
    assert len(set(names)) == len(JOINT_NAMES)
    assert all(names)


def test_the_first_column_is_this_projects() -> None:
    assert joint_names("humanml3d") == JOINT_NAMES


@pytest.mark.parametrize("skeleton", ["humanml3d", "mixamo", "smpl", "unreal"])
def test_a_skeleton_with_these_names_is_read_as_it_is(skeleton: SkeletonName) -> None:
    turns = rot.from_axis_angle(np.random.default_rng(0).normal(scale=0.3, size=(3, 22, 3)))
    places = forward_kinematics(turns, np.zeros((3, 3)), TARGET_OFFSETS)
    motion = BvhMotion(joint_names(skeleton), PARENTS, TARGET_OFFSETS, 30.0, "y", "y", turns, places)
    joints, notes = to_22_joints(motion)
    np.testing.assert_array_equal(joints, places)
    assert notes == ()
