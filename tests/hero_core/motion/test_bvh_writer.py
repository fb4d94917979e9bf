from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hero_core.choices import Unit
from hero_core.errors import InputError
from hero_core.motion.bvh import read_bvh
from hero_core.motion.bvh_joints import to_22_joints
from hero_core.motion.bvh_writer import write_bvh
from hero_core.motion.canonical import canonicalise
from hero_core.motion.format import JOINT_COUNT
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import JOINT_NAMES, METRES, bone_lengths
from tests.hero_core.hard_motions import rigid_motions, stretched

MakeMotion = Callable[..., Array]


@pytest.mark.parametrize("seed", range(4))
def test_what_is_written_comes_back_to_a_hundredth_of_a_millimetre(
    tmp_path: Path, make_motion: MakeMotion, seed: int
) -> None:
    joints = canonicalise(make_motion(seed=seed, turn=7.0, sway=0.8))
    error_m = write_bvh(tmp_path / "motion.bvh", joints, 20)
    motion = read_bvh(tmp_path / "motion.bvh")
    back, notes = to_22_joints(motion)
    assert notes == ()
    assert motion.fps == 20.0
    assert error_m < 1e-5
    np.testing.assert_allclose(back, joints, atol=1e-5)


def test_the_file_is_plain_bvh(tmp_path: Path, make_motion: MakeMotion) -> None:
    write_bvh(tmp_path / "motion.bvh", make_motion(frames=7), 20)
    lines = (tmp_path / "motion.bvh").read_text().splitlines()
    joints = [line.split()[1] for line in lines if line.split()[0] in ("ROOT", "JOINT")]
    assert sorted(joints) == sorted(JOINT_NAMES)
    start = lines.index("MOTION")
    assert lines[start + 1 : start + 3] == ["Frames: 7", "Frame Time: 0.05000000"]
    assert [len(line.split()) for line in lines[start + 3 :]] == [3 + 3 * JOINT_COUNT] * 7


def test_angles_do_not_jump_from_frame_to_frame(tmp_path: Path, make_motion: MakeMotion) -> None:
    write_bvh(tmp_path / "motion.bvh", make_motion(frames=120, turn=20.0), 20)
    lines = (tmp_path / "motion.bvh").read_text().splitlines()
    values = np.array([line.split() for line in lines[lines.index("MOTION") + 3 :]], float)
    assert np.abs(np.diff(values[:, 3:6], axis=0)).max() < 180.0


def test_loose_bodies_stay_close_and_the_error_is_told(tmp_path: Path, make_motion: MakeMotion) -> None:
    joints = make_motion()
    loose = joints + np.random.default_rng(0).normal(scale=0.01, size=joints.shape)
    error_m = write_bvh(tmp_path / "motion.bvh", loose, 20)
    motion = read_bvh(tmp_path / "motion.bvh")
    back, _ = to_22_joints(motion)
    assert np.linalg.norm(back - loose, axis=-1).max() == pytest.approx(error_m, abs=1e-5)
    assert 1e-3 < error_m < 0.12
    np.testing.assert_allclose(
        bone_lengths(back), np.tile(np.median(bone_lengths(loose), axis=0), (60, 1)), atol=1e-5
    )


def test_one_frame_and_raised_arms(tmp_path: Path, make_motion: MakeMotion) -> None:
    pose = make_motion(frames=1, sway=0.0)
    pose[:, [18, 20]] = pose[:, 16:17] + np.array([[0, 0.26, 0], [0, 0.53, 0]])
    assert write_bvh(tmp_path / "pose.bvh", pose, 20) < 1e-5
    back, _ = to_22_joints(read_bvh(tmp_path / "pose.bvh"))
    np.testing.assert_allclose(back, pose, atol=1e-5)


def test_nothing_is_left_behind_and_bad_input_is_refused(tmp_path: Path, make_motion: MakeMotion) -> None:
    write_bvh(tmp_path / "motion.bvh", make_motion(), 20)
    assert [path.name for path in tmp_path.iterdir()] == ["motion.bvh"]
    with pytest.raises(InputError, match="positive"):
        write_bvh(tmp_path / "motion.bvh", make_motion(), 0)
    with pytest.raises(InputError, match="22, 3"):
        write_bvh(tmp_path / "motion.bvh", np.zeros((3, 21, 3)), 20)


@pytest.mark.parametrize("stretching", [False, True])
def test_bodies_come_back_through_any_turn(tmp_path: Path, make_motion: MakeMotion, stretching: bool) -> None:
    for what, joints in rigid_motions(make_motion).items():
        assert write_bvh(tmp_path / "motion.bvh", joints, 20, stretching) < 1e-5, what
        back, _ = to_22_joints(read_bvh(tmp_path / "motion.bvh"))
        np.testing.assert_allclose(back, joints, atol=1e-5, err_msg=what)


@pytest.mark.parametrize("unit", ["m", "cm", "mm"])
def test_stretching_bones_are_exact_in_every_unit(
    tmp_path: Path, make_motion: MakeMotion, unit: Unit
) -> None:
    joints = stretched(make_motion(turn=7.0))
    assert write_bvh(tmp_path / "motion.bvh", joints, 20, stretching=True, unit=unit) == 0.0
    back, _ = to_22_joints(read_bvh(tmp_path / "motion.bvh"))
    np.testing.assert_allclose(back * METRES[unit], joints, atol=1e-5)


def test_rest_is_a_t_pose(tmp_path: Path, make_motion: MakeMotion) -> None:
    write_bvh(tmp_path / "motion.bvh", make_motion(), 20)
    motion = read_bvh(tmp_path / "motion.bvh")
    offsets = dict(zip(motion.names, motion.offsets, strict=True))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        for joint in ("elbow", "wrist"):
            assert offsets[f"{side}_{joint}"] @ [sign, 0, 0] == pytest.approx(
                np.linalg.norm(offsets[f"{side}_{joint}"])
            )
    assert motion.rest_up == "y"


def test_between_frames_is_between_poses(tmp_path: Path, make_motion: MakeMotion) -> None:
    """Tools interpolate channels: halfway between two frames must be no other pose, also while turning round."""
    joints = make_motion(frames=121, turn=4.0 * np.pi, sway=0.5)
    write_bvh(tmp_path / "motion.bvh", joints[::2], 10, stretching=True)
    lines = (tmp_path / "motion.bvh").read_text().splitlines()
    start = lines.index("MOTION") + 3
    values = np.array([line.split() for line in lines[start:]], float)
    halfway = [" ".join(map(str, row)) for row in (values[1:] + values[:-1]) / 2.0]
    (tmp_path / "halfway.bvh").write_text(
        "\n".join([*lines[:start], *halfway]).replace("Frames: 61", "Frames: 60")
    )
    back, _ = to_22_joints(read_bvh(tmp_path / "halfway.bvh"))
    assert np.linalg.norm(back - joints[1::2], axis=-1).max() < 0.03


def test_pybvh_reads_the_same_joints(tmp_path: Path, make_motion: MakeMotion) -> None:
    """It knows no position channels but the root's (0.9), so it is given rigid bones."""
    pybvh = pytest.importorskip("pybvh", reason="pybvh is not installed")
    for what, joints in rigid_motions(make_motion).items():
        write_bvh(tmp_path / "motion.bvh", joints, 20)
        bvh = pybvh.read_bvh_file(tmp_path / "motion.bvh")
        order = [bvh.joint_names.index(name) for name in JOINT_NAMES]
        assert bvh.fps == 20.0
        np.testing.assert_allclose(bvh.joint_positions()[:, order], joints, atol=1e-5, err_msg=what)
