from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hero_core.errors import InputError
from hero_core.motion import rotations as rot
from hero_core.motion.fit import t_pose
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import TARGET_OFFSETS, Z_UP_TO_Y_UP, bone_lengths, forward_kinematics
from hero_core.motion.smpl import BodyModel, SmplMotion, load_smpl_motion, smpl_joints
from hero_core.motion.smpl_writer import fit_smpl, write_smpl_motion
from tests.hero_core.hard_motions import mirrored, rigid_motions, stretched

MakeMotion = Callable[..., Array]

PELVIS = np.array([0.01, -0.2, 0.03])  # where a body model has it, as SMPL's own not at the origin


def body_model(offsets: Array, directions: Array | None = None) -> BodyModel:
    still = forward_kinematics(np.tile(rot.IDENTITY, (22, 1)), PELVIS, offsets)
    return BodyModel(still, np.zeros((22, 3, 0)) if directions is None else directions)


def larger_and_longer(model: BodyModel) -> BodyModel:
    """One beta makes the whole body larger, another the legs longer."""
    around = model.mean - model.mean[0]
    legs = np.zeros((22, 3))
    legs[[4, 5]] = [0.0, -0.02, 0.0]
    legs[[7, 8, 10, 11]] = [0.0, -0.05, 0.0]
    return BodyModel(model.mean, np.stack([0.05 * around, legs], axis=-1))


def test_the_models_joints_are_where_they_were_through_any_turn(
    tmp_path: Path, make_motion: MakeMotion
) -> None:
    for what, joints in rigid_motions(make_motion).items():
        model = body_model(t_pose(joints))
        motion, error_m = fit_smpl(joints, 20.0, model)
        write_smpl_motion(tmp_path / "motion.npz", motion)
        back = load_smpl_motion(tmp_path / "motion.npz")
        assert error_m < 1e-9, what
        assert back.fps == 20.0
        np.testing.assert_allclose(smpl_joints(back, model), joints, atol=1e-9, err_msg=what)


def test_parameters_come_back_as_they_were(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    written = SmplMotion(rng.normal(size=(5, 22, 3)), rng.normal(size=(5, 3)), rng.normal(size=16), 120.0)
    write_smpl_motion(tmp_path / "motion.npz", written)
    back = load_smpl_motion(tmp_path / "motion.npz")
    for name in ("poses", "translation", "betas", "fps"):
        np.testing.assert_array_equal(getattr(back, name), getattr(written, name))


def test_joints_of_read_parameters_give_the_same_joints_again(make_motion: MakeMotion) -> None:
    """Import, export, import: twist about a bone is lost, places are not."""
    model = body_model(t_pose(make_motion()))
    poses = np.random.default_rng(0).uniform(-np.pi, np.pi, (30, 22, 3)) / np.sqrt(3.0)
    joints = smpl_joints(SmplMotion(poses, np.zeros((30, 3)), np.zeros(16), 60.0), model)
    motion, error_m = fit_smpl(joints, 60.0, model)
    assert error_m < 1e-9
    np.testing.assert_allclose(smpl_joints(motion, model), joints, atol=1e-9)


def test_betas_make_the_model_as_large_as_the_body(make_motion: MakeMotion) -> None:
    joints = make_motion()
    model = larger_and_longer(body_model(t_pose(joints)))
    true = np.zeros(16)
    true[:2] = [1.5, -0.7]
    size = BodyModel(model.rest_joints(true), np.zeros((22, 3, 0)))
    poses = np.random.default_rng(0).normal(scale=0.4, size=(20, 22, 3))
    larger = smpl_joints(SmplMotion(poses, np.zeros((20, 3)), np.zeros(0), 20.0), size)
    motion, error_m = fit_smpl(larger, 20.0, model)
    np.testing.assert_allclose(motion.betas, true, atol=0.02)
    assert error_m < 1e-3
    back = smpl_joints(motion, model)
    assert np.linalg.norm(back - larger, axis=-1).max() == pytest.approx(error_m, abs=1e-9)


def test_without_a_model_the_angles_are_of_a_t_pose_with_the_bodys_bones(make_motion: MakeMotion) -> None:
    joints = make_motion(turn=7.0)
    motion, error_m = fit_smpl(joints, 20.0)
    assert error_m < 1e-9
    assert not motion.betas.any()
    np.testing.assert_allclose(rot.rotate(Z_UP_TO_Y_UP, motion.translation), joints[:, 0], atol=1e-12)
    bones = body_model(t_pose(joints))
    centred = BodyModel(bones.mean - PELVIS, bones.directions)
    np.testing.assert_allclose(smpl_joints(motion, centred), joints, atol=1e-9)


def test_stretching_bones_tell_their_error(make_motion: MakeMotion) -> None:
    joints = stretched(make_motion(turn=7.0))
    model = body_model(TARGET_OFFSETS)
    for each in (joints, mirrored(joints)):
        motion, error_m = fit_smpl(each, 20.0, model)
        back = smpl_joints(motion, model)
        assert np.linalg.norm(back - each, axis=-1).max() == pytest.approx(error_m, abs=1e-9)
        np.testing.assert_allclose(
            bone_lengths(back), bone_lengths(model.mean)[None].repeat(60, 0), atol=1e-9
        )


def test_the_file_is_laid_out_as_amass(tmp_path: Path, make_motion: MakeMotion) -> None:
    motion, _ = fit_smpl(make_motion(frames=7), 20.0)
    write_smpl_motion(tmp_path / "motion.npz", motion)
    with np.load(tmp_path / "motion.npz", allow_pickle=False) as archive:
        shapes = {name: archive[name].shape for name in archive}
        assert str(archive["gender"]) == "neutral"
        assert float(archive["mocap_framerate"]) == 20.0
        assert not archive["poses"][:, 66:].any()
    assert shapes == {"poses": (7, 156), "trans": (7, 3), "betas": (16,), "mocap_framerate": (), "gender": ()}


def test_a_motion_without_a_rate_is_refused(tmp_path: Path) -> None:
    motion = SmplMotion(np.zeros((2, 22, 3)), np.zeros((2, 3)), np.zeros(16), None)
    with pytest.raises(InputError, match="frames per second"):
        write_smpl_motion(tmp_path / "motion.npz", motion)
