from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hero_core.errors import InputError
from hero_core.exports import read_joints
from hero_core.motion.humanml3d import joints_to_vectors, vectors_to_joints
from hero_core.motion.rotations import Array

MakeMotion = Callable[..., Array]


def test_a_reactions_joints_at_its_rate(tmp_path: Path, make_motion: MakeMotion) -> None:
    joints = make_motion().astype(np.float32)
    np.savez(
        tmp_path / "a.npz",
        joints=joints,
        vectors=np.zeros((60, 263)),
        fps=np.int64(30),
        provenance=np.array("{}"),
    )
    read, fps = read_joints(tmp_path / "a.npz")
    np.testing.assert_array_equal(read, joints)
    assert fps == 30.0
    assert read_joints(tmp_path / "a.npz", 25.0)[1] == 25.0


def test_vectors_and_joints_of_npy(tmp_path: Path, make_motion: MakeMotion) -> None:
    vectors = joints_to_vectors(make_motion())
    np.save(tmp_path / "vectors.npy", vectors)
    np.save(tmp_path / "joints.npy", make_motion())
    np.savez(tmp_path / "vectors.npz", vectors=vectors)
    for name in ("vectors.npy", "vectors.npz"):
        joints, fps = read_joints(tmp_path / name)
        np.testing.assert_allclose(joints, vectors_to_joints(vectors))
        assert fps == 20.0
    np.testing.assert_array_equal(read_joints(tmp_path / "joints.npy")[0], make_motion())


@pytest.mark.parametrize("name", ["no.npz", "no.npy", "other.npz", "shape.npy", "nan.npy", "motion.bvh"])
def test_what_is_no_motion_is_refused_by_name(tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / "other.npz", poses=np.zeros((3, 66)))
    np.save(tmp_path / "shape.npy", np.zeros((3, 24, 3)))
    np.save(tmp_path / "nan.npy", np.full((3, 22, 3), np.nan))
    (tmp_path / "motion.bvh").write_text("HIERARCHY")
    with pytest.raises(InputError, match=name):
        read_joints(tmp_path / name)


def test_a_rate_that_is_not_one_number_is_refused_and_zero_is_not_taken_for_none(
    tmp_path: Path, make_motion: MakeMotion
) -> None:
    for name, fps in (("none", []), ("two", [20, 30])):
        np.savez(tmp_path / f"{name}.npz", joints=make_motion(), fps=np.array(fps))
        with pytest.raises(InputError, match=f"{name}.npz: its fps is not one number"):
            read_joints(tmp_path / f"{name}.npz")
    np.save(tmp_path / "joints.npy", make_motion())
    assert read_joints(tmp_path / "joints.npy", 0.0)[1] == 0.0  # which export refuses
