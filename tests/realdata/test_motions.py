"""Motions from public repositories: real captures, the vectors the official code makes of them, damaged files."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hero_core.motion import humanml3d as h
from hero_core.motion.bvh import read_bvh
from hero_core.motion.bvh_joints import starts_with_a_jump, to_22_joints
from hero_core.motion.bvh_writer import write_bvh
from hero_core.motion.canonical import canonicalise, facing, resample
from hero_core.motion.plausible import stature_m
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import RAW_OFFSETS, bone_lengths
from hero_core.motion.statistics import MotionStatistics
from pipeline.motions import LoadedMotion, MotionConversion, MotionError, load_motion
from tests.hero_core.motion.rotation_recovery import vectors_to_joints_by_rotation

Row = dict[str, str]


def rows_of(path: Path) -> list[Row]:
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def load(path: Path, fps: float | None = None) -> LoadedMotion:
    return load_motion(path, MotionConversion(motion_fps=fps))


def outcome_of(path: Path, fps: float | None = None) -> LoadedMotion | str:
    """The motion, or why there is none."""
    try:
        return load(path, fps)
    except MotionError as error:
        return error.reason


def read(path: Path) -> Array:
    return np.asarray(np.load(path, allow_pickle=False), np.float64)


@pytest.fixture(scope="module")
def clip_rows(realdata_dir: Path) -> list[Row]:
    return rows_of(realdata_dir / "motions" / "joints_22.csv")


@pytest.fixture(scope="module")
def clips(realdata_dir: Path, clip_rows: list[Row]) -> list[Path]:
    return [realdata_dir / "motions" / "joints_22" / row["file"] for row in clip_rows]


@pytest.fixture(scope="module")
def bvh_rows(realdata_dir: Path) -> list[Row]:
    rows = rows_of(realdata_dir / "motions" / "raw" / "raw.csv")
    return [row for row in rows if row["file"].endswith(".bvh")] or pytest.skip("no BVH files")


@pytest.fixture(scope="module")
def vectors(realdata_dir: Path, clips: list[Path]) -> list[Path]:
    paths = [realdata_dir / "vector_263" / clip.name for clip in clips]
    return [path for path in paths if path.is_file()] or pytest.skip("no vector_263/")


def target_offsets(vectors: Array) -> Array:
    """The rest pose of the skeleton that vectors (n, 263) were retargeted to."""
    lengths = np.median(bone_lengths(h.vectors_to_joints(vectors)), axis=0)
    return np.asarray(RAW_OFFSETS * np.concatenate([[0.0], lengths])[:, None])


def test_vectors_are_the_official_ones(clips: list[Path], vectors: list[Path]) -> None:
    """To rounding: the official code works in float32, which shows where a bone or a heading points backwards."""
    joints_of = {clip.name: clip for clip in clips}
    differences = []
    for path in vectors:
        official = read(path)
        joints = canonicalise(read(joints_of[path.name]), target_offsets(official))
        mine = h.joints_to_vectors(joints, official=True)
        assert mine.shape == official.shape
        np.testing.assert_array_equal(mine[:, h.CONTACTS], official[:, h.CONTACTS], err_msg=path.name)
        differences.append(np.abs(mine - official))
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
        joints = canonicalise(read(clip))
        vectors = h.joints_to_vectors(joints)
        for recover in (h.vectors_to_joints, vectors_to_joints_by_rotation):
            np.testing.assert_allclose(recover(vectors), joints[:-1], atol=1e-5, err_msg=clip.name)
        official = h.vectors_to_joints(h.joints_to_vectors(joints, official=True))
        drifting += bool(np.abs(official - joints[:-1]).max() > 0.01)
    if not drifting:
        pytest.skip("no clip of this set crosses 180 degrees, where the published representation drifts")


def test_no_real_clip_is_lost_and_hardly_any_doubted(clips: list[Path]) -> None:
    """Those flagged as off the floor, fast or glitched among them."""
    doubted = []
    for clip in clips:
        motion = load(clip)
        doubted += [clip.name] if motion.warnings else []
        np.testing.assert_array_equal(motion.record.vectors, h.joints_to_vectors(canonicalise(read(clip))))
    assert len(doubted) <= 0.05 * len(clips), doubted


def test_no_official_vector_is_lost_and_hardly_any_doubted(vectors: list[Path]) -> None:
    doubted = []
    for path in vectors:
        motion = load(path)
        doubted += [path.name] if motion.warnings else []
        np.testing.assert_array_equal(motion.record.vectors, read(path))
    assert len(doubted) <= 0.05 * len(vectors), doubted


WRONG: dict[str, tuple[Callable[[Array], Array], str]] = {
    "z up": (lambda joints: joints[..., [0, 2, 1]] * [1.0, -1.0, 1.0], "--up z"),
    "y and z swapped": (lambda joints: joints[..., [0, 2, 1]], "--up z"),
    "y down": (lambda joints: joints * [1.0, -1.0, -1.0], "head is below the pelvis"),
    "reversed": (lambda joints: joints[:, ::-1], "order"),
    "mirrored": (lambda joints: joints * [-1.0, 1.0, 1.0], "toes point backwards"),
    "centimetres": (lambda joints: joints * 100.0, "--unit cm"),
    "millimetres": (lambda joints: joints * 1000.0, "--unit mm"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_real_clips_read_wrongly_are_refused(clips: list[Path], tmp_path: Path, fault: str) -> None:
    change, words = WRONG[fault]
    for clip in clips[::6]:
        np.save(tmp_path / clip.name, change(read(clip)))
        with pytest.raises(MotionError, match=words):
            load(tmp_path / clip.name)


def test_normalised_vectors_are_refused(realdata_dir: Path, vectors: list[Path], tmp_path: Path) -> None:
    statistics = MotionStatistics.from_vectors(read(path) for path in vectors)
    for path in vectors[::6]:
        np.save(tmp_path / path.name, (read(path) - statistics.mean) / statistics.std)
        with pytest.raises(MotionError, match=r"Std \+ Mean"):
            load(tmp_path / path.name)


def test_real_clips_at_four_times_their_rate_are_refused(clips: list[Path]) -> None:
    long = [clip for clip in clips if len(read(clip)) > 84]
    if not long:
        pytest.skip("no clip is long enough")
    outcomes = [outcome_of(clip, fps=80) for clip in long]
    reasons = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert all("too fast" in reason and "--motion-fps" in reason for reason in reasons)
    assert len(reasons) >= 0.9 * len(long)


def test_statistics_are_those_of_humanml3ds_script(realdata_dir: Path, vectors: list[Path]) -> None:
    mine = MotionStatistics.from_vectors(read(path) for path in vectors)
    theirs = MotionStatistics.load(realdata_dir)
    np.testing.assert_allclose(mine.mean, theirs.mean, atol=1e-6)
    np.testing.assert_allclose(mine.std, theirs.std, rtol=1e-5)


def test_published_files_load(realdata_dir: Path) -> None:
    folder = realdata_dir / "motions" / "humanml3d_official"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    paths = [path for path in sorted(folder.glob("*.npy")) if read(path).shape[1:] == (263,)]
    assert paths
    for path in paths:
        vectors = load(path).record.vectors
        joints = path.with_name(path.name.replace("new_joint_vecs_", "new_joints_"))
        if joints != path and joints.is_file():
            expected = read(joints)[: len(vectors)]
            np.testing.assert_allclose(h.vectors_to_joints(vectors), expected, atol=1e-4)
    if (folder / "Mean.npy").is_file():
        assert MotionStatistics.load(folder).std.min() > 0


def test_bvh_joints_agree_with_an_independent_reader(
    realdata_dir: Path, clip_rows: list[Row], bvh_rows: list[Row]
) -> None:
    """Where a trial is there as BVH and as joints that others made, of the same file or of another one."""
    compared = 0
    for row in clip_rows:
        rate = re.search(r"([\d.]+) Hz", row["note"])
        for bvh in bvh_rows:
            same_trial = f"_{Path(bvh['file']).stem}".endswith(f"_{row['trial']}")
            if not (same_trial and rate and row["start_frame_20fps"] == "0"):
                continue
            joints, _ = to_22_joints(read_bvh(realdata_dir / "motions" / "raw" / bvh["file"]))
            fps = float(rate[1])
            joints = resample(joints[1:] if starts_with_a_jump(joints) else joints, fps)
            expected = read(realdata_dir / "motions" / "joints_22" / row["file"])
            joints = joints[: len(expected)] * (stature_m(expected) / stature_m(joints))
            difference = joints - expected
            difference[..., 1] -= difference[0, 0, 1]  # the clips were put on the floor
            same_file = row["source"] == bvh["source"]
            limit_m = (1e-5 if fps % 20 == 0 else 2e-3) if same_file else 1e-2
            assert np.abs(difference).max() < limit_m, (row["file"], bvh["file"])
            compared += 1
    if not compared:
        pytest.skip("no trial is there both as BVH and as joints")


def test_every_raw_bvh_is_a_person_who_walks_forwards(realdata_dir: Path, bvh_rows: list[Row]) -> None:
    for row in bvh_rows:
        joints, _ = to_22_joints(read_bvh(realdata_dir / "motions" / "raw" / row["file"]))
        toes = joints[:, [10, 11]].mean(axis=1) - joints[:, [7, 8]].mean(axis=1)
        assert (facing(joints) * toes).sum(axis=-1).mean() > 0, row["file"]
        assert np.median(joints[:, 15, 1] - joints[:, [7, 8], 1].min(axis=1)) > 0, row["file"]


def test_raw_bvh_loads_unless_it_states_a_wrong_rate(realdata_dir: Path, bvh_rows: list[Row]) -> None:
    """A file that is known to state a wrong rate is refused with the right one; others may only be too short."""
    for row in bvh_rows:
        path = realdata_dir / "motions" / "raw" / row["file"]
        wrong = re.search(r"says ([\d.]+) Hz.*?([\d.]+) Hz", row["what"])
        outcome = outcome_of(path)
        if wrong:
            assert f"--motion-fps {wrong[2]}" in str(outcome), row["file"]
            assert any("too" in warning for warning in load(path, float(wrong[1])).warnings)
            outcome = load(path, float(wrong[2]))
        if isinstance(outcome, str):
            assert "too short" in outcome, row["file"]
        else:
            assert not any("human" in warning for warning in outcome.warnings), row["file"]
            t_pose = starts_with_a_jump(to_22_joints(read_bvh(path))[0])
            assert any("T-pose" in warning for warning in outcome.warnings) == t_pose, row["file"]


def test_real_joints_survive_bvh(clips: list[Path], tmp_path: Path) -> None:
    for clip in clips[::20]:
        joints = read(clip)
        error_m = write_bvh(tmp_path / "motion.bvh", joints, 20)
        assert error_m < 0.05  # collars that others computed move against the spine
        back, _ = to_22_joints(read_bvh(tmp_path / "motion.bvh"))
        assert np.linalg.norm(back - joints, axis=-1).max() == pytest.approx(error_m, abs=1e-4)


def test_every_damaged_motion_ends_as_the_table_says(realdata_dir: Path) -> None:
    rows = rows_of(realdata_dir / "broken" / "expected.csv")
    rows = [row for row in rows if Path(row["file"]).suffix in (".npy", ".bvh")]
    assert rows
    for row in rows:
        path = realdata_dir / "broken" / row["file"]
        outcome = outcome_of(path)
        ended = "quarantine" if isinstance(outcome, str) else "ok"
        told = outcome if isinstance(outcome, str) else " ".join(outcome.warnings)
        assert row["expect"] in (ended, "either"), f"{row['file']}: {ended} {told}"
        assert told or row["expect"] == "ok", row["file"]
