"""Video features to motion, through all three official models, against numbers made by running the official code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hero_core.models.base import VideoFeatures
from hero_core.models.generators.hero.hero import Hero
from hero_core.models.sampling import uniform_from
from hero_core.motion.humanml3d import vectors_to_joints
from hero_core.official.find import find_candidates
from hero_core.official.import_run import import_official
from hero_core.runs import load_generator

MOTION_TOLERANCE = 1e-4
JOINTS_TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def arrays(open_folder: Callable[[str], Any]) -> dict[str, Tensor]:
    arrays: dict[str, Tensor] = open_folder("e2e").arrays("e2e")
    return arrays


@pytest.fixture(scope="module")
def hero(
    parity_dir: Path, open_folder: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory
) -> Hero:
    description = open_folder("e2e").facts
    folders = [parity_dir / folder for folder in description["checkpoints"]]
    found = [candidate for folder in folders for candidate in find_candidates(folder, "best")[0]]
    names: dict[str, str] = {candidate.kind: candidate.name for candidate in found}
    dst = tmp_path_factory.mktemp("e2e") / "run"
    import_official(folders[0].parent, dst, names=names)
    kept = [1 - description["mask_topk_thres"], 1 - description["res_topk_thres"]]
    hero = load_generator(dst, sampling=[f"top_k_ratio={min(kept)}", "decode_padded=true"])
    assert isinstance(hero, Hero)
    return hero


def condition_of(arrays: dict[str, Tensor]) -> VideoFeatures:
    frames = arrays["memory_local"]
    return VideoFeatures(frames, arrays["cond_global"], torch.zeros(frames.shape[:2]))


@pytest.fixture(scope="module")
def motion(hero: Hero, arrays: dict[str, Tensor]) -> Tensor:
    lengths = arrays["token_lens"] * hero.tokenizer.unit_length
    return hero.generate(condition_of(arrays), lengths, torch.Generator().manual_seed(0)).motion


def test_tokens_are_the_official_ones(hero: Hero, arrays: dict[str, Tensor]) -> None:
    condition, lengths = condition_of(arrays), arrays["token_lens"]
    uniform = uniform_from(torch.Generator().manual_seed(0), torch.device("cpu"))
    base = hero.masked.generate(condition, lengths, uniform, hero.sampling)
    assert base.tolist() == arrays["base_ids"].tolist()
    tokens = hero.residual.generate(base, condition, lengths, uniform, hero.sampling)
    assert tokens.tolist() == arrays["all_ids"].tolist()


def test_motion_is_the_official_one(hero: Hero, motion: Tensor, arrays: dict[str, Tensor]) -> None:
    torch.testing.assert_close(motion, arrays["motion_denormalized"], atol=MOTION_TOLERANCE, rtol=0)
    normalised = hero.tokenizer.normalisation(motion)
    torch.testing.assert_close(normalised, arrays["motion_normalized"], atol=MOTION_TOLERANCE, rtol=0)


def test_base_layer_alone(hero: Hero, arrays: dict[str, Tensor]) -> None:
    motion = hero.tokenizer.normalisation(hero.tokenizer.decode(arrays["base_ids"][..., None]))
    torch.testing.assert_close(motion, arrays["motion_base_only"], atol=MOTION_TOLERANCE, rtol=0)


def test_joints_are_the_official_ones(hero: Hero, motion: Tensor, arrays: dict[str, Tensor]) -> None:
    for row, length in enumerate((arrays["token_lens"] * hero.tokenizer.unit_length).tolist()):
        joints = vectors_to_joints(motion[row, :length].numpy())
        np.testing.assert_allclose(joints, arrays[f"joints_{row}"].numpy(), atol=JOINTS_TOLERANCE, rtol=0)


def test_by_default_motions_end_with_zeros_and_do_not_feel_the_padding(
    hero: Hero, arrays: dict[str, Tensor]
) -> None:
    sound = Hero(
        {"rvq": hero.tokenizer, "masked": hero.masked, "residual": hero.residual},
        hero.sampling.model_copy(update={"decode_padded": False}),
    )
    lengths = arrays["token_lens"] * hero.tokenizer.unit_length
    motion = sound.generate(condition_of(arrays), lengths, torch.Generator().manual_seed(0)).motion
    for row, length in enumerate(lengths.tolist()):
        alone = hero.tokenizer.decode(
            arrays["all_ids"][row : row + 1, : length // hero.tokenizer.unit_length]
        )
        torch.testing.assert_close(motion[row : row + 1, :length], alone, atol=1e-5, rtol=0)
        assert not motion[row, length:].any()
