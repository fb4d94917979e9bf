from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hero_core.errors import InputError
from hero_core.motion import rotations as rot
from hero_core.motion.canonical import (
    canonicalise,
    facing,
    resample,
    resampled_count,
    retarget,
)
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import TARGET_OFFSETS, bone_lengths, bones

MakeMotion = Callable[..., Array]


def test_canonical_motions_stand_on_the_floor_at_the_origin_and_face_plus_z(make_motion: MakeMotion) -> None:
    joints = canonicalise(make_motion(seed=3) + np.array([5.0, -2.0, 1.0]))
    assert joints[..., 1].min() == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(joints[0, 0, [0, 2]], 0.0, atol=1e-12)
    np.testing.assert_allclose(facing(joints[0]), [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(
        bone_lengths(joints), np.tile(np.linalg.norm(TARGET_OFFSETS[1:], axis=1), (60, 1))
    )


@settings(max_examples=20, deadline=None)
@given(
    yaw=st.floats(-4.0, 4.0),
    scale=st.floats(0.1, 100.0),
    shift=st.tuples(st.floats(-50, 50), st.floats(-50, 50), st.floats(-50, 50)),
)
def test_place_heading_and_size_of_the_source_do_not_matter(
    make_motion: MakeMotion, yaw: float, scale: float, shift: tuple[float, float, float]
) -> None:
    joints = make_motion(frames=20, seed=5)
    moved = rot.rotate(rot.from_axis_angle([0.0, yaw, 0.0]), joints) * scale + shift
    np.testing.assert_allclose(canonicalise(moved), canonicalise(joints), atol=1e-9)


def test_canonicalising_twice_changes_nothing(make_motion: MakeMotion) -> None:
    once = canonicalise(make_motion())
    np.testing.assert_allclose(canonicalise(once), once, atol=1e-12)


def test_retargeting_keeps_directions_and_scales_the_path_with_the_leg(make_motion: MakeMotion) -> None:
    short = make_motion() * 0.5
    long = retarget(short)
    np.testing.assert_allclose(rot.unit(bones(long)), rot.unit(bones(short)), atol=1e-9)
    np.testing.assert_allclose(long[:, 0], short[:, 0] * 2.0, atol=1e-9)


def test_facing_exactly_backwards_is_turned_round(make_motion: MakeMotion) -> None:
    away = rot.rotate(rot.from_axis_angle([0.0, np.pi, 0.0]), canonicalise(make_motion(turn=0.0)))
    np.testing.assert_allclose(canonicalise(away), canonicalise(make_motion(turn=0.0)), atol=1e-9)


@pytest.mark.parametrize(("fps", "step"), [(20, 1), (60, 3), (120, 6), (120.0048, 6)])
def test_rates_that_divide_take_every_kth_frame(make_motion: MakeMotion, fps: float, step: int) -> None:
    joints = make_motion(frames=61)
    np.testing.assert_array_equal(resample(joints, fps), joints[::step])


@pytest.mark.parametrize("fps", [10.0, 25.0, 29.97, 30.0, 50.0])
def test_other_rates_keep_time_place_and_bones(make_motion: MakeMotion, fps: float) -> None:
    joints = make_motion(frames=80, turn=2.0, sway=0.2)
    resampled = resample(joints, fps)
    assert len(resampled) == resampled_count(80, fps) == int(79 / fps * 20) + 1
    np.testing.assert_allclose(bone_lengths(resampled), np.tile(bone_lengths(joints[0]), (len(resampled), 1)))
    np.testing.assert_allclose(resampled[0], joints[0], atol=1e-12)
    speed = np.linalg.norm(np.diff(joints[:, 0], axis=0), axis=1).sum() / (79 / fps)
    new_speed = np.linalg.norm(np.diff(resampled[:, 0], axis=0), axis=1).sum() / ((len(resampled) - 1) / 20)
    assert new_speed == pytest.approx(speed, rel=0.03)


def test_interpolated_frames_lie_between(make_motion: MakeMotion) -> None:
    fine = make_motion(frames=81)
    np.testing.assert_allclose(resample(fine[::2], 10.0), fine, atol=0.01)


@pytest.mark.parametrize("fps", [0.0, -20.0, np.nan, np.inf])
def test_impossible_rates_are_refused(make_motion: MakeMotion, fps: float) -> None:
    with pytest.raises(InputError, match="fps"):
        resample(make_motion(), fps)


def test_a_bone_without_length_is_named(make_motion: MakeMotion) -> None:
    joints = make_motion()
    joints[7, 13] = joints[7, 9]
    with pytest.raises(InputError, match="spine3 and left_collar coincide in frame 7"):
        canonicalise(joints)
