from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hero_core.errors import InputError
from hero_core.motion import rotations as rot
from hero_core.motion.skeleton import PARENTS, TARGET_OFFSETS, bone_lengths, forward_kinematics
from hero_core.motion.smpl import BodyModel, SmplMotion, load_body_model, load_smpl_motion, smpl_joints

REST = forward_kinematics(np.tile(rot.IDENTITY, (22, 1)), np.array([0.1, 0.2, 0.3]), TARGET_OFFSETS)
JOINTS = 24


def synthetic_model(path: Path, **changes: Any) -> Path:
    """A body of one vertex a joint; the first beta makes it larger."""
    vertices = np.concatenate([REST, np.zeros((JOINTS - 22, 3))])
    arrays = {
        "J_regressor": np.eye(JOINTS),
        "v_template": vertices,
        "shapedirs": np.stack([vertices, np.zeros_like(vertices)], axis=-1),
        "kintree_table": np.array([[2**32 - 1, *PARENTS[1:], 20, 21], range(JOINTS)]),
    }
    np.savez(path, **(arrays | changes))
    return path


def motion(frames: int = 4, betas: tuple[float, ...] = ()) -> SmplMotion:
    poses = np.zeros((frames, 22, 3))
    return SmplMotion(poses, np.zeros((frames, 3)), np.array(betas), 120.0)


def test_no_pose_gives_the_rest_joints(tmp_path: Path) -> None:
    model = load_body_model(synthetic_model(tmp_path / "model.npz"))
    np.testing.assert_allclose(smpl_joints(motion(), model, up="y"), np.tile(REST, (4, 1, 1)), atol=1e-12)


def test_betas_change_the_bones_and_unknown_ones_are_left_out(tmp_path: Path) -> None:
    model = load_body_model(synthetic_model(tmp_path / "model.npz"))
    tall = smpl_joints(motion(betas=(0.1, 0.0, 7.0, 7.0)), model, up="y")
    np.testing.assert_allclose(bone_lengths(tall), np.tile(1.1 * bone_lengths(REST), (4, 1)), atol=1e-12)


def test_z_up_parameters_become_y_up() -> None:
    body = BodyModel(REST, np.zeros((22, 3, 0)))
    still = motion()
    lying_in_z_up = np.tile([np.pi / 2, 0.0, 0.0], (4, 1))  # turns the Y-up rest pose upright in Z-up space
    still.poses[:, 0] = lying_in_z_up
    still.translation[:, 2] = 1.0
    joints = smpl_joints(still, body, up="z")
    np.testing.assert_allclose(bone_lengths(joints), np.tile(bone_lengths(REST), (4, 1)), atol=1e-12)
    np.testing.assert_allclose(joints - joints[:, :1], np.tile(REST - REST[0], (4, 1, 1)), atol=1e-12)
    assert joints[0, 0, 1] == pytest.approx(1.0 + REST[0, 2])


def test_amass_files_are_read_with_either_spelling_of_the_rate(tmp_path: Path) -> None:
    poses = np.random.default_rng(0).normal(size=(5, 156))
    for spelling in ("mocap_framerate", "mocap_frame_rate"):
        path = tmp_path / f"{spelling}.npz"
        arrays: dict[str, Any] = {"poses": poses, "trans": np.zeros((5, 3)), "betas": np.zeros(16)}
        arrays |= {"gender": np.array("female"), spelling: np.array(100)}
        np.savez(path, **arrays)
        loaded = load_smpl_motion(path)
        assert loaded.fps == 100.0
        np.testing.assert_array_equal(loaded.poses.reshape(5, 66), poses[:, :66])
        assert loaded.betas.shape == (16,)


def test_a_file_without_rate_or_betas_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", poses=np.zeros((5, 24, 3)), trans=np.zeros((5, 3)))
    loaded = load_smpl_motion(tmp_path / "a.npz")
    assert loaded.fps is None
    assert loaded.betas.shape == (0,)


@pytest.mark.parametrize(
    "arrays",
    [
        {"poses": np.zeros((5, 63)), "trans": np.zeros((5, 3))},
        {"poses": np.zeros((5, 72)), "trans": np.zeros((4, 3))},
        {"poses": np.zeros((5, 72)), "trans": np.zeros((5, 2))},
        {"poses": np.zeros(72), "trans": np.zeros((1, 3))},
    ],
)
def test_shapes_that_do_not_fit_are_refused(tmp_path: Path, arrays: dict[str, Any]) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match="expected poses"):
        load_smpl_motion(tmp_path / "a.npz")


def test_other_body_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="do not fit"):
        load_body_model(synthetic_model(tmp_path / "a.npz", v_template=np.zeros((7, 3))))
    with pytest.raises(InputError, match="not SMPL's"):
        load_body_model(synthetic_model(tmp_path / "b.npz", kintree_table=np.zeros((2, JOINTS))))
    np.savez(tmp_path / "c.npz", v_template=REST)
    with pytest.raises(InputError, match="lacks J_regressor"):
        load_body_model(tmp_path / "c.npz")
