from collections.abc import Callable

import numpy as np
import pytest

from hero_core.errors import InputError
from hero_core.motion import rotations as rot
from hero_core.motion.fit import Fit, fit, fit_stretching, t_pose
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import JOINT_NAMES, bone_lengths, forward_kinematics
from tests.hero_core.hard_motions import mirrored, rigid_motions, stretched

MakeMotion = Callable[..., Array]


def joints_of(fitted: Fit) -> Array:
    return forward_kinematics(fitted.rotations, fitted.translations[:, 0], fitted.translations)


@pytest.mark.parametrize("fitting", [fit, fit_stretching])
def test_rigid_bodies_are_fitted_through_any_turn(make_motion: MakeMotion, fitting) -> None:
    for what, joints in rigid_motions(make_motion).items():
        fitted = fitting(joints)
        assert fitted.error_m < 1e-9, what
        np.testing.assert_allclose(joints_of(fitted), joints, atol=1e-9, err_msg=what)
        np.testing.assert_allclose(
            fitted.translations[:, 1:], fitted.translations[:1, 1:].repeat(len(joints), 0), atol=1e-9
        )


def test_stretching_bones_are_exact_and_rigid_ones_tell_their_error(make_motion: MakeMotion) -> None:
    joints = stretched(make_motion(turn=7.0))
    np.testing.assert_allclose(joints_of(fit_stretching(joints)), joints, atol=1e-9)
    rigid = fit(joints)
    off = np.linalg.norm(joints_of(rigid) - joints, axis=-1)
    assert off.max() == pytest.approx(rigid.error_m, abs=1e-9)
    assert 1e-3 < rigid.error_m < 0.12
    assert fit(mirrored(joints)).error_m == pytest.approx(rigid.error_m, abs=1e-9)


def test_a_given_rest_pose_is_kept(make_motion: MakeMotion) -> None:
    joints = make_motion()
    larger = 1.1 * t_pose(joints)
    fitted = fit(joints, larger)
    np.testing.assert_array_equal(fitted.offsets, larger)
    np.testing.assert_allclose(bone_lengths(joints_of(fitted)), 1.1 * bone_lengths(joints), atol=1e-9)


def test_the_rest_pose_has_the_bodys_lengths_and_arms_at_the_sides_of_shoulder_height(
    make_motion: MakeMotion,
) -> None:
    joints = stretched(make_motion())
    offsets = t_pose(joints)
    still = forward_kinematics(np.tile(rot.IDENTITY, (22, 1)), np.zeros(3), offsets)
    np.testing.assert_allclose(bone_lengths(still), np.median(bone_lengths(joints), axis=0))
    place = dict(zip(JOINT_NAMES, still, strict=True))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        arm = place[f"{side}_wrist"] - place[f"{side}_shoulder"]
        np.testing.assert_allclose(rot.unit(arm), [sign, 0.0, 0.0], atol=1e-9)
        leg = place[f"{side}_ankle"] - place[f"{side}_hip"]
        np.testing.assert_allclose(rot.unit(leg), [0.0, -1.0, 0.0], atol=1e-9)
        assert (place[f"{side}_foot"] - place[f"{side}_ankle"])[2] > 0.05
    assert place["head"][1] > place["left_shoulder"][1]


def test_quaternions_do_not_change_their_sign(make_motion: MakeMotion) -> None:
    for turn in (10.0 * np.pi, -10.0 * np.pi):
        q = fit(make_motion(frames=200, turn=turn)).rotations
        assert np.sum(q[1:] * q[:-1], axis=-1).min() > 0.0
        np.testing.assert_allclose(np.linalg.norm(q, axis=-1), 1.0, atol=1e-12)


def test_bodies_without_extent_are_numbers_all_the_same() -> None:
    for fitting in (fit, fit_stretching):
        fitted = fitting(np.zeros((4, 22, 3)))
        assert np.isfinite(fitted.rotations).all()
        assert fitted.error_m == 0.0


@pytest.mark.parametrize("joints", [np.zeros((3, 21, 3)), np.zeros((0, 22, 3)), np.full((3, 22, 3), np.nan)])
def test_what_is_no_motion_is_refused(joints: Array) -> None:
    for fitting in (fit, fit_stretching):
        with pytest.raises(InputError):
            fitting(joints)
