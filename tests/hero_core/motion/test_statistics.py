from pathlib import Path

import numpy as np
import pytest

from hero_core.errors import InputError
from hero_core.motion.format import MOTION_DIM
from hero_core.motion.humanml3d import CONTACTS, LOCAL_POSITIONS, ROOT_XZ_VELOCITY, ROTATIONS_6D
from hero_core.motion.statistics import GROUPS, MotionStatistics


def random_motions(seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.1, 3.0, MOTION_DIM)
    return [rng.normal(2.0, spread, (n, MOTION_DIM)).astype(np.float32) for n in (30, 1, 77)]


def test_statistics_are_those_of_all_frames_with_one_std_per_group() -> None:
    motions = random_motions()
    frames = np.concatenate(motions).astype(np.float64)
    plain = MotionStatistics.from_vectors(motions)
    np.testing.assert_allclose(plain.mean, frames.mean(axis=0), rtol=1e-6)
    for group in GROUPS:
        np.testing.assert_allclose(plain.std[group], frames.std(axis=0)[group].mean(), rtol=1e-6)


def test_feat_bias_divides_root_and_contacts_only() -> None:
    plain = MotionStatistics.from_vectors(random_motions())
    ratio = plain.std / plain.emphasised(5.0).std
    np.testing.assert_array_equal(plain.mean, plain.emphasised(5.0).mean)
    np.testing.assert_allclose(ratio[:4], 5.0, rtol=1e-6)
    np.testing.assert_allclose(ratio[CONTACTS], 5.0, rtol=1e-6)
    np.testing.assert_allclose(ratio[LOCAL_POSITIONS.start : CONTACTS.start], 1.0, rtol=1e-6)


def test_a_group_that_never_varies_is_left_unscaled() -> None:
    motion = random_motions()[0]
    motion[:, CONTACTS] = 1.0
    statistics = MotionStatistics.from_vectors([motion])
    assert (statistics.std[CONTACTS] == 1.0).all()


def test_saved_files_come_back(tmp_path: Path) -> None:
    statistics = MotionStatistics.from_vectors(random_motions())
    statistics.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"Mean.npy", "Std.npy"}
    loaded = MotionStatistics.load(tmp_path)
    np.testing.assert_array_equal(loaded.mean, statistics.mean)
    np.testing.assert_array_equal(loaded.std, np.load(tmp_path / "Std.npy", allow_pickle=False))
    again = MotionStatistics.read(tmp_path / "Mean.npy", tmp_path / "Std.npy")
    np.testing.assert_array_equal(again.mean, statistics.mean)


def test_what_cannot_be_statistics_is_refused(tmp_path: Path) -> None:
    ones = np.ones(MOTION_DIM, np.float32)
    with pytest.raises(InputError, match="not positive"):
        MotionStatistics(ones, ones * 0)
    with pytest.raises(InputError, match=r"mean .* expected 263 numbers, got \(262,\)"):
        MotionStatistics(ones[:-1], ones)
    with pytest.raises(InputError, match="std .* column 7 is not finite"):
        MotionStatistics(ones, np.where(np.arange(MOTION_DIM) == 7, np.inf, ones))
    with pytest.raises(InputError, match="no motion frames"):
        MotionStatistics.from_vectors([])
    with pytest.raises(InputError, match="finite"):
        MotionStatistics.from_vectors([np.full((4, MOTION_DIM), np.inf)])
    with pytest.raises(InputError, match="feat_bias"):
        MotionStatistics.from_vectors(random_motions()).emphasised(0.0)
    with pytest.raises(InputError, match=r"Mean\.npy"):
        MotionStatistics.load(tmp_path)
    np.save(tmp_path / "Mean.npy", ones)
    np.save(tmp_path / "Std.npy", -ones)
    with pytest.raises(InputError, match=r"Std\.npy: std of motion vectors: column 0 is not positive"):
        MotionStatistics.load(tmp_path)


def test_groups_are_the_seven_of_humanml3d() -> None:
    assert len(GROUPS) == 7
    assert ROOT_XZ_VELOCITY in GROUPS
    assert ROTATIONS_6D in GROUPS
