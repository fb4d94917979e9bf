from pathlib import Path

import numpy as np
import pytest
import torch

from hero_core.errors import InputError
from hero_core.motion.humanml3d import CONTACTS, DIM, LOCAL_POSITIONS, ROOT_XZ_VELOCITY, ROTATIONS_6D
from hero_core.motion.normaliser import GROUPS, Normaliser


def random_motions(seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.1, 3.0, DIM)
    return [rng.normal(2.0, spread, (n, DIM)).astype(np.float32) for n in (30, 1, 77)]


def test_statistics_are_those_of_all_frames_with_one_std_a_group() -> None:
    motions = random_motions()
    frames = np.concatenate(motions).astype(np.float64)
    plain = Normaliser.from_vectors(motions)
    np.testing.assert_allclose(plain.mean, frames.mean(axis=0), rtol=1e-6)
    for group in GROUPS:
        np.testing.assert_allclose(plain.std[group], frames.std(axis=0)[group].mean(), rtol=1e-6)


def test_feat_bias_divides_root_and_contacts_only() -> None:
    plain = Normaliser.from_vectors(random_motions())
    ratio = plain.std / plain.emphasised(5.0).std
    np.testing.assert_array_equal(plain.mean, plain.emphasised(5.0).mean)
    np.testing.assert_allclose(ratio[:4], 5.0, rtol=1e-6)
    np.testing.assert_allclose(ratio[CONTACTS], 5.0, rtol=1e-6)
    np.testing.assert_allclose(ratio[LOCAL_POSITIONS.start : CONTACTS.start], 1.0, rtol=1e-6)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_denormalise_is_the_inverse_and_keeps_type_and_dtype(kind: str) -> None:
    motions = random_motions()
    normaliser = Normaliser.from_vectors(motions)
    if kind == "torch":
        tensor = torch.from_numpy(motions[0])[None]
        normalised = normaliser.normalise(tensor)
        assert normalised.dtype == torch.float32
        torch.testing.assert_close(normaliser.denormalise(normalised), tensor)
        np.testing.assert_allclose(normalised[0].numpy(), normaliser.normalise(motions[0]), atol=1e-6)
    else:
        normalised_array = normaliser.normalise(motions[0])
        assert normalised_array.dtype == np.float32
        np.testing.assert_allclose(normaliser.denormalise(normalised_array), motions[0], atol=1e-5)


def test_a_group_that_never_varies_is_left_unscaled() -> None:
    motion = random_motions()[0]
    motion[:, CONTACTS] = 1.0
    normaliser = Normaliser.from_vectors([motion])
    assert (normaliser.std[CONTACTS] == 1.0).all()
    assert (normaliser.normalise(motion)[:, CONTACTS] == 0.0).all()


def test_saved_files_come_back(tmp_path: Path) -> None:
    normaliser = Normaliser.from_vectors(random_motions())
    normaliser.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"Mean.npy", "Std.npy"}
    loaded = Normaliser.load(tmp_path)
    np.testing.assert_array_equal(loaded.mean, normaliser.mean)
    np.testing.assert_array_equal(loaded.std, np.load(tmp_path / "Std.npy"))


def test_what_cannot_be_statistics_is_refused(tmp_path: Path) -> None:
    ones = np.ones(DIM, np.float32)
    with pytest.raises(InputError, match="not positive"):
        Normaliser(ones, ones * 0)
    with pytest.raises(InputError, match="263"):
        Normaliser(ones[:-1], ones)
    with pytest.raises(InputError, match="no motion frames"):
        Normaliser.from_vectors([])
    with pytest.raises(InputError, match="finite"):
        Normaliser.from_vectors([np.full((4, DIM), np.inf)])
    with pytest.raises(InputError, match="feat_bias"):
        Normaliser.from_vectors(random_motions()).emphasised(0.0)
    with pytest.raises(InputError, match=r"Mean\.npy"):
        Normaliser.load(tmp_path)


def test_groups_are_the_seven_of_humanml3d() -> None:
    assert len(GROUPS) == 7
    assert ROOT_XZ_VELOCITY in GROUPS
    assert ROTATIONS_6D in GROUPS
