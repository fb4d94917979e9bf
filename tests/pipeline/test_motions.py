from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hero_core.config import parse_config
from hero_core.errors import ConfigError, HeroError, InputError
from hero_core.motion import rotations as rot
from hero_core.motion.bvh_writer import write_bvh
from hero_core.motion.canonical import canonicalise, resample
from hero_core.motion.format import MOTION_DIM
from hero_core.motion.humanml3d import joints_to_vectors, vectors_to_joints
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import PARENTS, TARGET_OFFSETS, forward_kinematics
from pipeline.minivimo.motions import make_motion
from pipeline.minivimo.plan import sample_clip
from pipeline.motions import LoadedMotion, MotionConversion, MotionError, load_motion


def sway(frames: int, turn: float = 1.0) -> tuple[Array, Array]:
    """Rotation vectors (n, 22, 3) and root (n, 3) of a body that sways while it walks a curve."""
    time = np.arange(frames) / 20.0
    angles = 0.25 * np.sin(time[:, None, None] + np.arange(66).reshape(22, 3))
    angles[:, 0] = np.stack([0 * time, np.linspace(0, turn, frames), 0 * time], axis=-1)
    return angles, np.stack([0.3 * time, 0.9 + 0 * time, 0.5 * time], axis=-1)


def walk(frames: int = 60, turn: float = 1.0) -> Array:
    angles, root = sway(frames, turn)
    return forward_kinematics(rot.from_axis_angle(angles), root, TARGET_OFFSETS)


def pacing(seconds: float, fps: int, swing_seconds: float = 0.4) -> Array:
    """A person (n, 22, 3) who paces on the spot: each leg swings 0.5 m, then rests as long as the other one swings."""
    time = np.arange(int(seconds * fps)) / fps
    still = np.tile(rot.IDENTITY, (22, 1))
    joints = np.tile(forward_kinematics(still, np.zeros(3), TARGET_OFFSETS), (len(time), 1, 1))
    for side, legs in enumerate(([1, 4, 7, 10], [2, 5, 8, 11])):
        cycles, phase = np.divmod(time / (2.5 * swing_seconds) + side / 2, 1.0)
        angle = 0.3 * (-1.0) ** cycles * np.cos(np.pi * np.clip(2.5 * phase, 0.0, 1.0))
        turn = rot.from_axis_angle(angle[:, None, None] * [1.0, 0.0, 0.0])
        hip = joints[:, legs[:1]]
        joints[:, legs[1:]] = hip + rot.rotate(turn, joints[:, legs[1:]] - hip)
    return joints


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


def load(path: Path, stated_fps: float | None = None, **options: Any) -> LoadedMotion:
    return load_motion(path, MotionConversion(**options), stated_fps)


def vectors_of(path: Path, stated_fps: float | None = None, **options: Any) -> NDArray[np.float32]:
    return load(path, stated_fps, **options).record.vectors


def expected(joints: Array, official: bool = False) -> NDArray[np.float32]:
    return joints_to_vectors(canonicalise(joints), official)


def reason_of(action: Callable[[], object]) -> str:
    with pytest.raises(MotionError) as caught:
        action()
    assert isinstance(caught.value, HeroError)
    assert str(caught.value) == f"{caught.value.path}: {caught.value.reason}"
    return caught.value.reason


def test_joints_become_vectors_that_lead_back_to_them(tmp_path: Path) -> None:
    joints = walk(turn=8.0)
    motion = load(saved(tmp_path, joints.astype(np.float32)))
    assert motion.warnings == ()
    assert motion.record.vectors.shape == (59, MOTION_DIM)
    assert motion.record.vectors.dtype == np.float32
    back = vectors_to_joints(motion.record.vectors)
    np.testing.assert_allclose(back, canonicalise(joints)[:-1], atol=1e-4)


def test_official_vectors_on_request(tmp_path: Path) -> None:
    joints = walk(turn=5.0)  # through 180 degrees, where the published code slips
    vectors = vectors_of(saved(tmp_path, joints), official=True)
    np.testing.assert_array_equal(vectors, expected(joints, official=True))
    assert not np.array_equal(vectors, expected(joints))


def test_the_users_rate_goes_before_the_lists_and_the_lists_before_the_files(tmp_path: Path) -> None:
    path = saved(tmp_path, walk(120))
    assert len(vectors_of(path)) == 119
    assert len(vectors_of(path, 60)) == 39
    assert len(vectors_of(path, 60, motion_fps=30)) == 79
    write_bvh(tmp_path / "motion.bvh", walk(120), 40)
    assert len(vectors_of(tmp_path / "motion.bvh")) == 59
    assert len(vectors_of(tmp_path / "motion.bvh", 60)) == 39
    assert len(vectors_of(tmp_path / "motion.bvh", 60, motion_fps=30)) == 79
    np.testing.assert_array_equal(vectors_of(path, 30), expected(resample(walk(120), 30)))


@pytest.mark.parametrize("fps", [1e-9, 2000])
def test_impossible_rates_are_refused(tmp_path: Path, fps: float) -> None:
    assert "frames per second" in reason_of(lambda: load(saved(tmp_path, walk(120)), fps))
    with pytest.raises(ConfigError, match="motion_fps"):
        parse_config(MotionConversion, {"motion_fps": fps}, "test")


def test_vectors_are_taken_as_they_are(tmp_path: Path) -> None:
    vectors = expected(walk(250))
    motion = load(saved(tmp_path, vectors.astype(">f8")))
    np.testing.assert_array_equal(motion.record.vectors, vectors[:200])
    assert motion.warnings == ("cropped: from 249 to 200 frames (12.4 to 10.0 s)",)


@pytest.mark.parametrize(
    ("frames", "kept", "cropped"), [(201, 200, False), (202, 200, True), (400, 200, True)]
)
def test_long_motions_are_cropped_and_say_so(tmp_path: Path, frames: int, kept: int, cropped: bool) -> None:
    motion = load(saved(tmp_path, walk(frames)))
    assert motion.record.length == kept
    assert bool(motion.warnings) == cropped
    np.testing.assert_array_equal(motion.record.vectors, expected(walk(frames)[:201]))


@pytest.mark.parametrize(("frames", "accepted"), [(1, False), (20, False), (21, True)])
def test_a_motion_has_at_least_a_second(tmp_path: Path, frames: int, accepted: bool) -> None:
    path = saved(tmp_path, walk(frames))
    if accepted:
        assert len(vectors_of(path)) == frames - 1
    else:
        assert "too short" in reason_of(lambda: load(path))


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.npy"
    with path.open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    assert "65 MiB, more than the 64 MiB allowed" in reason_of(lambda: load(path))


def test_smpl_joints_lose_their_hands_and_say_so(tmp_path: Path) -> None:
    joints = np.concatenate([walk(), np.zeros((60, 2, 3))], axis=1)
    motion = load(saved(tmp_path, joints))
    assert motion.warnings == ("taken as SMPL's: 24 joints, of which the first 22 are used",)
    np.testing.assert_array_equal(motion.record.vectors, expected(walk()))


@pytest.mark.parametrize(("unit", "size"), [("m", 1.0), ("cm", 100.0), ("mm", 1000.0), ("inch", 1 / 0.0254)])
def test_joints_come_in_any_unit_that_is_said(tmp_path: Path, unit: str, size: float) -> None:
    path = saved(tmp_path, walk() * size)
    np.testing.assert_allclose(vectors_of(path, unit=unit), expected(walk()), atol=1e-5)
    if unit != "m":
        assert f"--unit {unit}" in reason_of(lambda: load(path))
        assert "--unit m" in reason_of(lambda: load(saved(tmp_path, walk()), unit=unit))


def test_whole_millimetres_are_positions_too(tmp_path: Path) -> None:
    path = saved(tmp_path, (walk() * 1000).round().astype(np.int16))
    assert "--unit mm" in reason_of(lambda: load(path))
    assert load(path, unit="mm").record.length == 59


def z_up(joints: Array) -> Array:
    return joints[..., [0, 2, 1]] * [1.0, -1.0, 1.0]


def test_joints_with_z_up_need_the_option(tmp_path: Path) -> None:
    path = saved(tmp_path, z_up(walk()))
    assert "--up z" in reason_of(lambda: load(path))
    np.testing.assert_allclose(vectors_of(path, up="z"), expected(walk()), atol=1e-5)
    assert "--up y" in reason_of(lambda: load(saved(tmp_path, walk()), up="z"))


def test_who_says_up_y_may_lie(tmp_path: Path) -> None:
    (warning,) = load(saved(tmp_path, z_up(walk())), up="y").warnings
    assert "lies on its side" in warning


def test_bvh_of_any_unit_gives_the_same_motion(tmp_path: Path) -> None:
    joints = walk()
    write_bvh(tmp_path / "metres.bvh", joints, 20)
    write_bvh(tmp_path / "centimetres.bvh", joints * 100, 20)
    for name in ("metres.bvh", "centimetres.bvh"):
        motion = load(tmp_path / name)
        assert motion.warnings == ()
        np.testing.assert_allclose(motion.record.vectors, expected(joints), atol=1e-3)
    assert "--up y" in reason_of(lambda: load(tmp_path / "metres.bvh", up="z"))


def test_bvh_without_bones_is_refused(tmp_path: Path) -> None:
    joints = walk()
    joints[:, 13] = joints[:, 9]
    write_bvh(tmp_path / "motion.bvh", joints, 20)
    assert "zero-length bone" in reason_of(lambda: load(tmp_path / "motion.bvh"))


def smpl(folder: Path, scale: float = 1.0, **arrays: Any) -> Path:
    angles, root = sway(60)
    poses = np.concatenate([angles.reshape(60, 66), np.zeros((60, 90))], axis=1)
    np.savez(folder / "motion.npz", poses=poses, trans=root * scale, **arrays)
    return folder / "motion.npz"


def test_smpl_parameters_need_their_body_model_and_rate(tmp_path: Path) -> None:
    model = body_model(tmp_path)
    path = smpl(tmp_path, betas=np.zeros(16), mocap_framerate=np.array(20.0))
    vectors = vectors_of(path, body_model=model, up="y")
    np.testing.assert_allclose(vectors, expected(walk()), atol=1e-6)
    assert "--body-model" in reason_of(lambda: load(path))
    assert "--up y" in reason_of(lambda: load(path, body_model=model))  # Z unless said

    path = smpl(tmp_path)
    assert "--motion-fps" in reason_of(lambda: load(path, body_model=model, up="y"))
    np.testing.assert_array_equal(vectors_of(path, 20, body_model=model, up="y"), vectors)


def test_smpl_translations_have_a_unit(tmp_path: Path) -> None:
    model = body_model(tmp_path)
    path = smpl(tmp_path, scale=100.0, mocap_framerate=np.array(20.0))
    assert "--unit cm" in reason_of(lambda: load(path, body_model=model, up="y"))
    vectors = vectors_of(path, body_model=model, up="y", unit="cm")
    np.testing.assert_allclose(vectors, expected(walk()), atol=1e-5)


def test_identity_is_the_options_and_the_body_models_content(tmp_path: Path) -> None:
    first, second = tmp_path / "a.npz", tmp_path / "b.npz"
    for path in (first, second):
        path.write_bytes(b"model")
    plain = MotionConversion()
    assert len(plain.identity()) == 16
    others: list[dict[str, Any]] = [
        {"motion_fps": 30},
        {"up": "y"},
        {"unit": "cm"},
        {"official": True},
        {"body_model": first},
    ]
    identities = {MotionConversion(**options).identity() for options in others}
    assert len(identities | {plain.identity()}) == 6
    with_model = MotionConversion(body_model=first).identity()
    assert MotionConversion(body_model=second).identity() == with_model
    second.write_bytes(b"other")
    assert MotionConversion(body_model=second).identity() != with_model
    with pytest.raises(InputError, match="--body-model"):
        MotionConversion(body_model=tmp_path / "absent.npz").identity()


def test_a_bvh_of_120_hz_that_says_30_is_refused_unless_the_user_says_so(tmp_path: Path) -> None:
    """Steps of 0.4 s become steps of 1.6 s."""
    write_bvh(tmp_path / "motion.bvh", pacing(5.0, fps=120), 30)
    reason = reason_of(lambda: load(tmp_path / "motion.bvh"))
    assert "too slow" in reason
    assert "--motion-fps 120" in reason
    assert load(tmp_path / "motion.bvh", 120).warnings == ()
    (warning, _) = load(tmp_path / "motion.bvh", motion_fps=30).warnings
    assert "too slow" in warning


def test_a_bvh_of_30_hz_that_says_120_is_refused(tmp_path: Path) -> None:
    write_bvh(tmp_path / "motion.bvh", pacing(8.0, fps=30, swing_seconds=0.3), 120)
    reason = reason_of(lambda: load(tmp_path / "motion.bvh"))
    assert "too fast" in reason
    assert "--motion-fps 30" in reason
    assert load(tmp_path / "motion.bvh", motion_fps=30).warnings == ()


def test_no_reaction_of_minivimo_is_lost(tmp_path: Path) -> None:
    for index in range(24):
        path = saved(tmp_path, make_motion(sample_clip(3, index), index % 4))
        assert load(path).warnings == ()


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
        (np.zeros((60, 22, 3)), "zero-length bone"),
        (np.zeros((0, 22, 3)), "no frames"),
        (np.zeros((0, MOTION_DIM)), "no frames"),
        (np.zeros((60, 66)), "wrong shape (60, 66)"),
        (np.zeros((60, 22, 2)), "wrong shape (60, 22, 2)"),
        (np.zeros((22, 3, 60)), "wrong shape (22, 3, 60)"),
        (np.zeros((60, 25, 3)), "wrong shape (60, 25, 3)"),
        (np.zeros((60, 251)), "wrong shape (60, 251)"),
        (np.zeros(()), "wrong shape ()"),
        (np.full((60, MOTION_DIM), np.nan), "NaN in 60 of 60 frames"),
        (np.zeros((19, MOTION_DIM)), "too short: 19 frames"),
    ],
)
def test_what_is_no_motion_is_refused_with_the_reason(
    tmp_path: Path, array: NDArray[Any], reason: str
) -> None:
    assert reason in reason_of(lambda: load(saved(tmp_path, array)))


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    assert "unknown kind" in reason_of(lambda: load(tmp_path / "motion.fbx"))
    assert "No such file" in reason_of(lambda: load(tmp_path / "absent.npy"))
    (tmp_path / "text.bvh").write_text("not a motion")
    assert "not BVH" in reason_of(lambda: load(tmp_path / "text.bvh"))
    (tmp_path / "text.npz").write_text("not a motion")
    assert "archive" in reason_of(lambda: load(tmp_path / "text.npz", body_model=tmp_path / "m.npz"))


def test_a_reason_is_one_line_whatever_the_file_holds(tmp_path: Path) -> None:
    model = body_model(tmp_path)
    np.savez(tmp_path / "motion.npz", **{"poses\x1b[2J\n": np.zeros(1)})
    reason = reason_of(lambda: load(tmp_path / "motion.npz", body_model=model))
    assert reason == r"lacks poses, trans; it holds poses\x1b[2J\n"


def test_what_is_no_number_is_refused_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    joints = walk().astype(np.float32)
    joints.view(np.uint32)[5, 3, 1] = 0x7F800001  # a NaN that makes numpy warn when it is computed with
    assert "NaN in 1 of 60 frames" in reason_of(lambda: load(saved(tmp_path, joints)))
    assert not recwarn.list
