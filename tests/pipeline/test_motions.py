from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hero_core.errors import HeroError
from hero_core.motion import rotations as rot
from hero_core.motion.bvh import write_bvh
from hero_core.motion.canonical import canonicalise, process_motion
from hero_core.motion.humanml3d import DIM, vectors_to_joints
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import PARENTS, TARGET_OFFSETS, forward_kinematics
from pipeline.motions import LoadedMotion, MotionError, MotionLimits, load_motion


def sway(frames: int, turn: float = 1.0) -> tuple[Array, Array]:
    """Rotation vectors (n, 22, 3) and root (n, 3) of a body that sways while it walks a curve."""
    time = np.arange(frames) / 20.0
    angles = 0.25 * np.sin(time[:, None, None] + np.arange(66).reshape(22, 3))
    angles[:, 0] = np.stack([0 * time, np.linspace(0, turn, frames), 0 * time], axis=-1)
    return angles, np.stack([0.3 * time, 0.9 + 0 * time, 0.5 * time], axis=-1)


def walk(frames: int = 60, turn: float = 1.0) -> Array:
    angles, root = sway(frames, turn)
    return forward_kinematics(rot.from_axis_angle(angles), root, TARGET_OFFSETS)


def saved(folder: Path, array: NDArray[Any], name: str = "motion.npy") -> Path:
    np.save(folder / name, array)
    return folder / name


def body_model(folder: Path) -> Path:
    rest = forward_kinematics(np.tile(rot.IDENTITY, (22, 1)), np.zeros(3), TARGET_OFFSETS)
    np.savez(
        folder / "model.npz",
        J_regressor=np.eye(22),
        v_template=rest,
        shapedirs=np.zeros((22, 3, 10)),
        kintree_table=np.array([[2**32 - 1, *PARENTS[1:]], range(22)]),
    )
    return folder / "model.npz"


def reason_of(action: Callable[[], LoadedMotion]) -> str:
    with pytest.raises(MotionError) as caught:
        action()
    assert isinstance(caught.value, HeroError)
    assert str(caught.value) == f"{caught.value.path}: {caught.value.reason}"
    return caught.value.reason


def test_joints_become_vectors_that_lead_back_to_them(tmp_path: Path) -> None:
    joints = walk(turn=8.0)
    motion = load_motion(saved(tmp_path, joints.astype(np.float32)))
    assert motion.source == "joints"
    assert motion.warnings == ()
    assert motion.vectors.shape == (59, DIM)
    assert motion.vectors.dtype == np.float32
    np.testing.assert_allclose(vectors_to_joints(motion.vectors), canonicalise(joints)[:-1], atol=1e-4)


def test_official_vectors_on_request(tmp_path: Path) -> None:
    joints = walk(turn=8.0)
    motion = load_motion(saved(tmp_path, joints), official=True)
    np.testing.assert_array_equal(motion.vectors, process_motion(joints, official=True))


def test_a_stated_rate_is_resampled(tmp_path: Path) -> None:
    path = saved(tmp_path, walk(120))
    assert len(load_motion(path, fps=60).vectors) == 39
    assert len(load_motion(path, fps=30).vectors) == 79
    assert "frames a second" in reason_of(lambda: load_motion(path, fps=0))
    assert "frames a second" in reason_of(lambda: load_motion(path, fps=1e-9))
    assert "too short" in reason_of(lambda: load_motion(path, fps=1000))


def test_vectors_are_taken_as_they_are(tmp_path: Path) -> None:
    vectors = process_motion(walk(250))
    motion = load_motion(saved(tmp_path, vectors.astype(">f8")))
    np.testing.assert_array_equal(motion.vectors, vectors[:200])
    assert motion.source == "humanml3d"
    assert motion.warnings == ("cropped from 249 to 200 frames (12.4 to 10.0 s)",)


@pytest.mark.parametrize(
    ("frames", "kept", "cropped"), [(201, 200, False), (202, 200, True), (400, 200, True)]
)
def test_long_motions_are_cropped_and_say_so(tmp_path: Path, frames: int, kept: int, cropped: bool) -> None:
    motion = load_motion(saved(tmp_path, walk(frames)))
    assert len(motion.vectors) == kept
    assert bool(motion.warnings) == cropped
    np.testing.assert_array_equal(motion.vectors, process_motion(walk(frames)[:201]))


@pytest.mark.parametrize(("frames", "accepted"), [(1, False), (20, False), (21, True)])
def test_a_motion_has_at_least_a_second(tmp_path: Path, frames: int, accepted: bool) -> None:
    path = saved(tmp_path, walk(frames))
    if accepted:
        assert len(load_motion(path).vectors) == frames - 1
    else:
        assert "too short" in reason_of(lambda: load_motion(path))


def test_limits_are_the_callers(tmp_path: Path) -> None:
    limits = MotionLimits(min_frames=4, max_frames=8)
    assert len(load_motion(saved(tmp_path, walk(6)), limits=limits).vectors) == 5
    assert len(load_motion(saved(tmp_path, walk(60)), limits=limits).vectors) == 8
    assert "MiB" in reason_of(
        lambda: load_motion(saved(tmp_path, walk()), limits=MotionLimits(max_bytes=1000))
    )


def test_smpl_joints_lose_their_hands_and_say_so(tmp_path: Path) -> None:
    joints = np.concatenate([walk(), np.zeros((60, 2, 3))], axis=1)
    motion = load_motion(saved(tmp_path, joints))
    assert motion.warnings == ("24 joints, taken as SMPL's; the first 22 are used",)
    np.testing.assert_array_equal(motion.vectors, process_motion(walk()))


def test_bvh_of_any_unit_gives_the_same_motion(tmp_path: Path) -> None:
    joints = walk()
    write_bvh(tmp_path / "metres.bvh", joints, 20)
    write_bvh(tmp_path / "centimetres.bvh", joints * 100, 20)
    for name in ("metres.bvh", "centimetres.bvh"):
        motion = load_motion(tmp_path / name)
        assert motion.source == "bvh"
        assert motion.warnings == ()
        np.testing.assert_allclose(motion.vectors, process_motion(joints), atol=1e-3)
    assert len(load_motion(tmp_path / "metres.bvh", fps=40).vectors) == 29


def test_bvh_without_bones_is_refused(tmp_path: Path) -> None:
    joints = walk()
    joints[:, 13] = joints[:, 9]
    write_bvh(tmp_path / "motion.bvh", joints, 20)
    assert "zero-length bone" in reason_of(lambda: load_motion(tmp_path / "motion.bvh"))


def test_smpl_parameters_need_their_body_model_and_rate(tmp_path: Path) -> None:
    angles, root = sway(60)
    poses = np.concatenate([angles.reshape(60, 66), np.zeros((60, 90))], axis=1)
    np.savez(
        tmp_path / "motion.npz", poses=poses, trans=root, betas=np.zeros(16), mocap_framerate=np.array(20.0)
    )
    path = tmp_path / "motion.npz"
    motion = load_motion(path, body_model=body_model(tmp_path), up="y")
    assert motion.source == "smpl"
    np.testing.assert_allclose(motion.vectors, process_motion(walk()), atol=1e-6)
    assert "body model" in reason_of(lambda: load_motion(path))

    np.savez(path, poses=poses, trans=root)
    assert "mocap_framerate" in reason_of(lambda: load_motion(path, body_model=body_model(tmp_path)))
    again = load_motion(path, fps=20, body_model=body_model(tmp_path), up="y")
    np.testing.assert_array_equal(again.vectors, motion.vectors)


def broken_at(value: float) -> Array:
    joints = walk()
    joints[40:45, 3] = value
    return joints


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (broken_at(np.nan), "NaN in 5 of 60 frames"),
        (broken_at(np.inf), "Inf in 5 of 60 frames"),
        (broken_at(1e200), "numbers over 1e+07 in 5 of 60 frames"),
        (walk() * 1000, "implausible size"),
        (walk() / 100, "implausible size"),
        (np.zeros((60, 22, 3)), "implausible size"),
        ((walk() * 1000).astype(np.int16), "holds int16"),
        (np.zeros((0, 22, 3)), "no frames"),
        (np.zeros((0, DIM)), "no frames"),
        (np.zeros((60, 66)), "wrong shape (60, 66)"),
        (np.zeros((60, 22, 2)), "wrong shape (60, 22, 2)"),
        (np.zeros((22, 3, 60)), "wrong shape (22, 3, 60)"),
        (np.zeros((60, 25, 3)), "wrong shape (60, 25, 3)"),
        (np.zeros((60, 251)), "wrong shape (60, 251)"),
        (np.zeros(()), "wrong shape ()"),
        (np.full((60, DIM), np.nan), "NaN in 60 of 60 frames"),
        (np.zeros((19, DIM)), "too short: 19 frames"),
    ],
)
def test_what_is_no_motion_is_refused_with_the_reason(
    tmp_path: Path, array: NDArray[Any], reason: str
) -> None:
    assert reason in reason_of(lambda: load_motion(saved(tmp_path, array)))


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    assert "unknown kind" in reason_of(lambda: load_motion(tmp_path / "motion.fbx"))
    assert "No such file" in reason_of(lambda: load_motion(tmp_path / "absent.npy"))
    (tmp_path / "text.bvh").write_text("not a motion")
    assert "not BVH" in reason_of(lambda: load_motion(tmp_path / "text.bvh"))
    (tmp_path / "text.npz").write_text("not a motion")
    assert "archive" in reason_of(lambda: load_motion(tmp_path / "text.npz", body_model=tmp_path / "m.npz"))
