"""Motions from public repositories: real captures, the vectors the official code makes of them, damaged files."""

import csv
from pathlib import Path

import numpy as np
import pytest

from hero_core.motion import humanml3d as h
from hero_core.motion.bvh import read_bvh, write_bvh
from hero_core.motion.bvh_joints import starts_with_a_jump, to_22_joints
from hero_core.motion.canonical import canonicalise, facing, process_motion, resample
from hero_core.motion.normaliser import Normaliser
from pipeline.motions import MotionError, load_motion

CMU_UNIT_M = 0.0254 / 0.45


@pytest.fixture(scope="module")
def clips(realdata_dir: Path) -> list[Path]:
    return sorted((realdata_dir / "motions" / "joints_22").glob("*.npy"))


def test_vectors_are_the_official_ones(realdata_dir: Path, clips: list[Path]) -> None:
    """To rounding: the official code works in float32, which shows where a bone or a heading points backwards."""
    differences = []
    for clip in clips:
        vectors = process_motion(np.load(clip), official=True)
        official = np.load(realdata_dir / "vector_263" / clip.name)
        assert vectors.shape == official.shape
        np.testing.assert_array_equal(vectors[:, h.CONTACTS], official[:, h.CONTACTS], err_msg=clip.name)
        differences.append(np.abs(vectors - official))
    frames = np.concatenate(differences)
    rotations = frames[:, h.ROTATIONS_6D].copy()
    frames[:, h.ROTATIONS_6D] = 0.0
    assert (frames < 2e-5).all(axis=1).mean() > 0.999
    assert (rotations < 1e-4).all(axis=1).mean() > 0.999
    assert frames.max() < 1e-4
    assert rotations.max() < 1e-3


def test_every_clip_comes_back_also_through_180_degrees(clips: list[Path]) -> None:
    drifting = 0
    for clip in clips:
        joints = canonicalise(np.load(clip))
        vectors = h.joints_to_vectors(joints)
        for recover in (h.vectors_to_joints, h.vectors_to_joints_by_rotation):
            np.testing.assert_allclose(recover(vectors), joints[:-1], atol=1e-5, err_msg=clip.name)
        official = h.vectors_to_joints(h.joints_to_vectors(joints, official=True))
        drifting += bool(np.abs(official - joints[:-1]).max() > 0.01)
    assert drifting > 0  # clips that the published representation loses


def test_loading_gives_the_same_vectors(clips: list[Path]) -> None:
    for clip in clips[::5]:
        motion = load_motion(clip)
        assert motion.source == "joints"
        np.testing.assert_array_equal(motion.vectors, process_motion(np.load(clip)))


def test_statistics_are_those_of_humanml3ds_script(realdata_dir: Path) -> None:
    vectors = [np.load(path) for path in sorted((realdata_dir / "vector_263").glob("*.npy"))]
    ours, theirs = Normaliser.from_vectors(vectors), Normaliser.load(realdata_dir)
    np.testing.assert_allclose(ours.mean, theirs.mean, atol=1e-6)
    np.testing.assert_allclose(ours.std, theirs.std, rtol=1e-5)


def test_official_files_load(realdata_dir: Path) -> None:
    folder = realdata_dir / "motions" / "humanml3d_official"
    vectors = load_motion(folder / "new_joint_vecs_012314.npy")
    assert vectors.source == "humanml3d"
    joints = np.load(folder / "new_joints_012314.npy")
    np.testing.assert_allclose(
        h.vectors_to_joints(vectors.vectors), joints[: len(vectors.vectors)], atol=1e-4
    )
    assert load_motion(folder / "momask_000612_vec263.npy").warnings == ()
    assert Normaliser.load(folder).std.min() > 0


@pytest.mark.parametrize(
    ("bvh", "fps", "clip", "tolerance_m"),
    [
        ("rotate_18_01", 120.0, "18_01_f0000_051", 1e-6),
        ("xia_neutral_01_000", 120.0, "xia_neutral_01_000_f0000_055", 1e-6),
        ("xia_strutting_01_000", 120.0, "xia_strutting_01_000_f0000_050", 1e-6),
        ("animated_drawings_jumping_jacks", 30.0, "jumping_jacks_f0000_083", 2e-3),  # another interpolation
        ("fairmotion_01_01", 120.0, "01_01_f0000_060", 4e-3),  # from ASF/AMC, which has the thorax bone
    ],
)
def test_bvh_joints_agree_with_an_independent_reader(
    realdata_dir: Path, bvh: str, fps: float, clip: str, tolerance_m: float
) -> None:
    folder = realdata_dir / "motions"
    joints, _ = to_22_joints(read_bvh(folder / "raw" / "bvh" / f"{bvh}.bvh", scale=CMU_UNIT_M))
    joints = resample(joints[1:] if starts_with_a_jump(joints) else joints, fps)
    expected = np.load(folder / "joints_22" / f"{clip}.npy")
    difference = joints[: len(expected)] - expected
    difference[..., 1] -= difference[0, 0, 1]  # the clips were put on the floor
    assert np.abs(difference).max() < tolerance_m


def test_every_raw_bvh_is_a_person_who_walks_forwards(realdata_dir: Path) -> None:
    for path in sorted((realdata_dir / "motions" / "raw" / "bvh").glob("*.bvh")):
        joints, _ = to_22_joints(read_bvh(path))
        toes = joints[:, [10, 11]].mean(axis=1) - joints[:, [7, 8]].mean(axis=1)
        assert (facing(joints) * toes).sum(axis=-1).mean() > 0, path.name
        assert np.median(joints[:, 15, 1] - joints[:, [7, 8], 1].min(axis=1)) > 0, path.name


def test_a_leading_t_pose_is_dropped_and_told(realdata_dir: Path) -> None:
    motion = load_motion(realdata_dir / "motions" / "raw" / "bvh" / "fairmotion_01_01.bvh")
    assert any("T-pose" in warning for warning in motion.warnings)
    assert any("thorax" in warning for warning in motion.warnings)
    assert any("cropped" in warning for warning in motion.warnings)


def test_official_joints_survive_bvh(realdata_dir: Path, tmp_path: Path) -> None:
    joints = np.load(realdata_dir / "motions" / "humanml3d_official" / "new_joints_012314.npy")
    assert write_bvh(tmp_path / "motion.bvh", joints, 20) < 1e-3
    back, _ = to_22_joints(read_bvh(tmp_path / "motion.bvh"))
    np.testing.assert_allclose(back, joints, atol=1e-3)


def test_every_damaged_motion_ends_as_the_table_says(realdata_dir: Path) -> None:
    with (realdata_dir / "broken" / "expected.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if Path(row["file"]).suffix in (".npy", ".bvh")]
    assert rows
    for row in rows:
        path = realdata_dir / "broken" / row["file"]
        try:
            outcome, told = "ok", " ".join(load_motion(path).warnings)
        except MotionError as error:
            outcome, told = "quarantine", error.reason
        assert row["expect"] in (outcome, "either"), f"{row['file']}: {outcome} {told}"
        assert told or row["expect"] == "ok", row["file"]
