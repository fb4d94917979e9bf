"""Video features to motion, through all three official models, against numbers made by running the official code."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hero_core.models.features import VideoFeatures
from hero_core.models.hero import Hero
from hero_core.models.sampling import SamplingConfig
from hero_core.motion.humanml3d import vectors_to_joints
from hero_core.official.convert import import_official
from hero_core.official.finding import find_candidates
from hero_core.runs import load_hero

MOTION_TOLERANCE = 1e-4
JOINTS_TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def arrays(parity_dir: Path) -> dict[str, Tensor]:
    with np.load(parity_dir / "e2e" / "e2e.npz", allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


@pytest.fixture(scope="module")
def hero(parity_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Hero:
    description: dict[str, Any] = json.loads((parity_dir / "e2e" / "e2e.json").read_text())
    folders = [parity_dir / folder for folder in description["checkpoints"]]
    found = [candidate for folder in folders for candidate in find_candidates(folder, "best")[0]]
    names: dict[str, str] = {candidate.kind: candidate.name for candidate in found}
    dst = tmp_path_factory.mktemp("e2e") / "run"
    import_official(folders[0].parent, dst, names=names)
    kept = [1 - description["mask_topk_thres"], 1 - description["res_topk_thres"]]
    return load_hero(dst, sampling=SamplingConfig(top_k_ratio=min(kept), decode_padded=True))


def condition_of(arrays: dict[str, Tensor]) -> VideoFeatures:
    return VideoFeatures(arrays["memory_local"], arrays["cond_global"])


@pytest.fixture(scope="module")
def motion(hero: Hero, arrays: dict[str, Tensor]) -> Tensor:
    lengths = arrays["token_lens"] * hero.codec.unit_length
    return hero.generate(condition_of(arrays), lengths, torch.Generator().manual_seed(0))


def test_tokens_are_the_official_ones(hero: Hero, arrays: dict[str, Tensor]) -> None:
    condition, lengths = condition_of(arrays), arrays["token_lens"]
    rng = torch.Generator().manual_seed(0)
    base = hero.masked.generate(condition, lengths, rng, hero.sampling)
    assert base.tolist() == arrays["base_ids"].tolist()
    tokens = hero.residual.generate(base, condition, lengths, rng, hero.sampling)
    assert tokens.tolist() == arrays["all_ids"].tolist()


def test_motion_is_the_official_one(hero: Hero, motion: Tensor, arrays: dict[str, Tensor]) -> None:
    torch.testing.assert_close(motion, arrays["motion_denormalized"], atol=MOTION_TOLERANCE, rtol=0)
    normalised = hero.codec.statistics.normalise(motion)
    torch.testing.assert_close(normalised, arrays["motion_normalized"], atol=MOTION_TOLERANCE, rtol=0)


def test_base_layer_alone(hero: Hero, arrays: dict[str, Tensor]) -> None:
    motion = hero.codec.statistics.normalise(hero.codec.decode(arrays["base_ids"][..., None]))
    torch.testing.assert_close(motion, arrays["motion_base_only"], atol=MOTION_TOLERANCE, rtol=0)


def test_joints_are_the_official_ones(hero: Hero, motion: Tensor, arrays: dict[str, Tensor]) -> None:
    for row, length in enumerate((arrays["token_lens"] * hero.codec.unit_length).tolist()):
        joints = vectors_to_joints(motion[row, :length].numpy())
        np.testing.assert_allclose(joints, arrays[f"joints_{row}"].numpy(), atol=JOINTS_TOLERANCE, rtol=0)


def test_by_default_motions_end_with_zeros_and_do_not_feel_the_padding(
    hero: Hero, arrays: dict[str, Tensor]
) -> None:
    sound = Hero(
        hero.codec, hero.masked, hero.residual, hero.sampling.model_copy(update={"decode_padded": False})
    )
    lengths = arrays["token_lens"] * hero.codec.unit_length
    motion = sound.generate(condition_of(arrays), lengths, torch.Generator().manual_seed(0))
    for row, length in enumerate(lengths.tolist()):
        alone = hero.codec.decode(arrays["all_ids"][row : row + 1, : length // hero.codec.unit_length])
        torch.testing.assert_close(motion[row : row + 1, :length], alone, atol=1e-5, rtol=0)
        assert not motion[row, length:].any()
