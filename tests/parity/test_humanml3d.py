"""HumanML3D's representation against numbers from the official code."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hero_core.motion import humanml3d as h
from hero_core.motion.canonical import canonicalise, retarget
from hero_core.motion.format import MOTION_DIM
from hero_core.motion.skeleton import KINEMATIC_CHAINS, RAW_OFFSETS, TARGET_OFFSETS
from tests.hero_core.motion.rotation_recovery import vectors_to_joints_by_rotation

POSITIONS_M = 2e-5
FEATURES = 2e-5
ROTATIONS = 1e-4  # ill-conditioned where a bone points against its rest direction


@dataclass(frozen=True)
class Fixture:
    facts: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    @property
    def motions(self) -> list[str]:
        return [name for name in self.facts["motions"] if f"{name}__joints_in" in self.arrays]


@pytest.fixture(scope="module")
def fixture(parity_dir: Path) -> Fixture:
    folder = parity_dir / "humanml3d"
    with np.load(folder / "humanml3d.npz", allow_pickle=False) as file:
        return Fixture(json.loads((folder / "humanml3d.json").read_text()), dict(file))


def assert_vectors_close(actual: NDArray[Any], expected: NDArray[Any], factor: float = 1.0) -> None:
    assert actual.shape == expected.shape
    np.testing.assert_array_equal(actual[:, h.CONTACTS], expected[:, h.CONTACTS])
    difference = np.abs(actual - expected)
    assert difference[:, h.ROTATIONS_6D].max() < ROTATIONS * factor
    difference[:, h.ROTATIONS_6D] = 0.0
    assert difference.max() < FEATURES * factor


def test_constants(fixture: Fixture) -> None:
    constants = fixture.facts["constants"]
    assert [list(chain) for chain in KINEMATIC_CHAINS] == constants["kinematic_chain"]
    np.testing.assert_array_equal(RAW_OFFSETS, constants["raw_offsets"])
    assert [*h.FEET] == [*constants["fid_l"], *constants["fid_r"]]
    assert constants["feet_thre"] == h.STANDING_M2
    assert all(fixture.facts["motions"][name]["features"][1] == MOTION_DIM for name in fixture.motions)


def test_target_skeleton(fixture: Fixture) -> None:
    offsets = fixture.arrays["tgt_offsets"]
    if not np.allclose(offsets, TARGET_OFFSETS, atol=1e-3):
        pytest.skip("this set was retargeted to another skeleton than HumanML3D's")
    np.testing.assert_allclose(TARGET_OFFSETS, offsets, atol=1e-6)


def test_every_motion_is_retargeted_and_placed_alike(fixture: Fixture) -> None:
    offsets = fixture.arrays["tgt_offsets"]
    assert fixture.motions
    for name in fixture.motions:
        joints = fixture.arrays[f"{name}__joints_in"]
        expected = fixture.arrays[f"{name}__uniform_skeleton"]
        np.testing.assert_allclose(retarget(joints, offsets), expected, atol=POSITIONS_M, err_msg=name)
        expected = fixture.arrays[f"{name}__global_positions"]
        canonical = canonicalise(joints, offsets)
        np.testing.assert_allclose(canonical, expected, atol=POSITIONS_M, err_msg=name)


@pytest.mark.parametrize("whole_way", [True, False])
def test_every_motion_gives_the_official_vectors(fixture: Fixture, whole_way: bool) -> None:
    for name in fixture.motions:
        expected = fixture.arrays[f"{name}__features"]
        if whole_way:
            joints = fixture.arrays[f"{name}__joints_in"]
            canonical = canonicalise(joints, fixture.arrays["tgt_offsets"])
            vectors = h.joints_to_vectors(canonical, official=True)
        else:
            vectors = h.joints_to_vectors(fixture.arrays[f"{name}__global_positions"], official=True)
        assert_vectors_close(vectors, expected)


def test_both_recoveries_lead_back_from_the_official_vectors(fixture: Fixture) -> None:
    offsets = fixture.arrays["tgt_offsets"]
    for name in fixture.motions:
        vectors = fixture.arrays[f"{name}__features"]
        by_position = h.vectors_to_joints(vectors)
        by_rotation = vectors_to_joints_by_rotation(vectors, offsets)
        for kind, joints in (("ric", by_position), ("rot", by_rotation)):
            official = fixture.arrays.get(f"{name}__{kind}_joints")
            if official is not None:
                np.testing.assert_allclose(joints, official, atol=POSITIONS_M, err_msg=f"{name} {kind}")
            drift_m = fixture.facts["motions"][name][f"{kind}_vs_global_maxdiff"]
            expected = fixture.arrays[f"{name}__global_positions"][:-1]
            np.testing.assert_allclose(joints, expected, atol=POSITIONS_M + drift_m, err_msg=f"{name} {kind}")


def test_default_vectors_lead_back_exactly(fixture: Fixture) -> None:
    offsets = fixture.arrays["tgt_offsets"]
    for name in fixture.motions:
        joints = canonicalise(fixture.arrays[f"{name}__joints_in"], offsets)
        vectors = h.joints_to_vectors(joints)
        np.testing.assert_allclose(h.vectors_to_joints(vectors), joints[:-1], atol=1e-5)
        np.testing.assert_allclose(vectors_to_joints_by_rotation(vectors, offsets), joints[:-1], atol=1e-5)


def test_published_vectors_lead_to_the_official_joints(fixture: Fixture) -> None:
    published = [key for key in fixture.arrays if key.startswith("vecs_") and key.endswith("_published")]
    if not published:
        pytest.skip("this set has no published vectors")
    for key in published:
        name = key.removeprefix("vecs_").removesuffix("_published")
        expected = fixture.arrays[f"ric_from_published_{name}"]
        np.testing.assert_allclose(h.vectors_to_joints(fixture.arrays[key]), expected, atol=POSITIONS_M)


def test_published_vectors_are_met_where_the_official_code_meets_them(fixture: Fixture) -> None:
    """The published run saw one more raw frame, which the smoothing spreads over the tail."""
    checks = {
        key.removeprefix("published_").removesuffix("_check"): value
        for key, value in fixture.facts["motions"].items()
        if key.startswith("published_")
    }
    if not checks:
        pytest.skip("this set has no published vectors with their joints")
    for name, official in checks.items():
        joints = fixture.arrays[f"new_joints_{name}_published"]
        canonical = canonicalise(joints, fixture.arrays["tgt_offsets"])
        vectors = h.joints_to_vectors(canonical, official=True)
        difference = np.abs(vectors - fixture.arrays[f"vecs_{name}_published"][: len(vectors)])
        assert difference.max() < official["max_abs_diff_all"] * 1.1
        (head_key,) = [key for key in official if key.startswith("max_abs_diff_first_")]
        head = difference[: int(head_key.split("_")[4])]
        assert head.max() < official[head_key] + ROTATIONS
        assert (head[:, h.CONTACTS] == 0).all()
