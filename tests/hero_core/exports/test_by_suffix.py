import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hero_core.choices import EXPORT_SUFFIXES
from hero_core.errors import InputError
from hero_core.exports import export
from hero_core.exports.by_suffix import ROUNDING_M
from hero_core.motion.bvh import read_bvh
from hero_core.motion.bvh_joints import to_22_joints
from hero_core.motion.fit import EXACT_M
from hero_core.motion.format import JOINT_COUNT
from hero_core.motion.humanml3d import joints_to_vectors, vectors_to_joints
from hero_core.motion.rotations import Array
from hero_core.motion.skeleton import JOINT_NAMES
from hero_core.motion.smpl import load_smpl_motion
from tests.hero_core.exports.gltf_reading import read_gltf
from tests.hero_core.hard_motions import stretched

MakeMotion = Callable[..., Array]


def joints_in(path: Path) -> Array:
    if path.suffix == ".bvh":
        return to_22_joints(read_bvh(path))[0]
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        return np.array(
            [[[float(row[f"{name}_{axis}"]) for axis in "xyz"] for name in JOINT_NAMES] for row in rows]
        )
    return read_gltf(path).posed()[0][:, :JOINT_COUNT]


@pytest.mark.parametrize("suffix", [".bvh", ".glb", ".csv"])
def test_generated_motions_are_exact_where_bones_may_stretch(
    tmp_path: Path, make_motion: MakeMotion, suffix: str
) -> None:
    vectors = joints_to_vectors(stretched(make_motion(turn=7.0)))
    exported = export(vectors, tmp_path / f"motion{suffix}")
    assert exported.error_m < ROUNDING_M
    np.testing.assert_allclose(joints_in(exported.path), vectors_to_joints(vectors), atol=ROUNDING_M)
    assert "within 0.01 mm" in str(exported)


@pytest.mark.parametrize("suffix", [".vrma", ".smpl.npz"])
def test_where_bones_may_not_stretch_the_error_is_told(
    tmp_path: Path, make_motion: MakeMotion, suffix: str
) -> None:
    exported = export(stretched(make_motion()), tmp_path / f"motion{suffix}")
    assert exported.error_m > EXACT_M
    assert f"within {exported.error_m * 1e3:.3g} mm" in str(exported)
    assert "bones change their length" in exported.note


def test_every_format_is_written_and_nothing_else(tmp_path: Path, make_motion: MakeMotion) -> None:
    for suffix in EXPORT_SUFFIXES.values():
        export(make_motion(), tmp_path / f"motion{suffix}")
    assert {path.name for path in tmp_path.iterdir()} == {
        f"motion{suffix}" for suffix in EXPORT_SUFFIXES.values()
    }
    assert load_smpl_motion(tmp_path / "motion.smpl.npz").fps == 20.0


def test_bvh_bones_stretch_only_where_they_must_and_may(tmp_path: Path, make_motion: MakeMotion) -> None:
    path = tmp_path / "motion.bvh"
    export(make_motion(), path)
    assert "CHANNELS 3" in path.read_text()
    assert "--rigid" in export(stretched(make_motion()), path).note
    assert "CHANNELS 3" not in path.read_text()
    exported = export(stretched(make_motion()), path, rigid=True)
    assert "CHANNELS 3" in path.read_text()
    assert EXACT_M < exported.error_m < 0.12
    export(make_motion(), path, unit="cm")
    assert read_bvh(path).positions[0, 0, 1] == pytest.approx(100.0 * make_motion()[0, 0, 1], abs=1e-3)


def test_the_same_motion_gives_the_same_bytes(tmp_path: Path, make_motion: MakeMotion) -> None:
    for suffix in EXPORT_SUFFIXES.values():
        written = []
        for _ in range(2):
            export(stretched(make_motion()), tmp_path / f"motion{suffix}")
            written.append((tmp_path / f"motion{suffix}").read_bytes())
        assert written[0] == written[1]


@pytest.mark.parametrize("name", ["motion.fbx", "motion.npz", "motion", "smpl.npz"])
def test_unknown_suffixes_are_refused_with_those_there_are(
    tmp_path: Path, make_motion: MakeMotion, name: str
) -> None:
    with pytest.raises(InputError, match=r"\.bvh, \.glb, \.vrma, \.smpl\.npz, \.csv"):
        export(make_motion(), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", EXPORT_SUFFIXES.values())
def test_impossible_input_is_refused_and_leaves_nothing(
    tmp_path: Path, make_motion: MakeMotion, suffix: str
) -> None:
    path = tmp_path / f"motion{suffix}"
    for fps in (0.0, -20.0, np.nan, np.inf):
        with pytest.raises(InputError, match="frames per second"):
            export(make_motion(), path, fps)
    for motion in (
        np.zeros((3, 21, 3)),
        np.zeros((3, 262)),
        np.full((3, 22, 3), np.inf),
        np.zeros((0, 22, 3)),
    ):
        with pytest.raises(InputError):
            export(motion, path)
    assert not list(tmp_path.iterdir())
