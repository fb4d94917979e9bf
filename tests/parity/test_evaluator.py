"""The motion evaluator against numbers of the official code."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hero_core.models.evaluator import CONTACT_DIMS, MotionEvaluator
from hero_core.motion.format import MOTION_DIM
from hero_core.motion.statistics import MotionStatistics
from hero_core.official.convert import convert_evaluator


@pytest.fixture(scope="module")
def folder(open_folder: Callable[[str], Any]) -> Any:
    return open_folder("evaluator")


@pytest.fixture(scope="module")
def facts(folder: Any) -> dict[str, Any]:
    return dict(folder.facts)


@pytest.fixture(scope="module")
def official(folder: Any) -> dict[str, Tensor]:
    return dict(folder.arrays("evaluator"))


@pytest.fixture(scope="module")
def evaluator(folder: Any) -> MotionEvaluator:
    """Its statistics change nothing: the fixture's motions are normalised already."""
    opt_txt = folder.root / folder.facts.get("opt_txt_path", folder.facts["opt_txt"].split()[0])
    unchanged = MotionStatistics(np.zeros(MOTION_DIM, np.float32), np.ones(MOTION_DIM, np.float32))
    return convert_evaluator(folder.file("checkpoint_path"), opt_txt, unchanged)


def _assert_close(ours: Tensor, theirs: Tensor, facts: dict[str, Any]) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=facts["tolerance_hint"])


def test_sizes(evaluator: MotionEvaluator, facts: dict[str, Any]) -> None:
    hyper, config = facts["hyperparameters"], evaluator.config
    assert config.movement_hidden == hyper["dim_movement_enc_hidden"]
    assert config.movement_dim == hyper["dim_movement_latent"]
    assert config.motion_hidden == hyper["dim_motion_hidden"]
    assert config.embedding_dim == hyper["dim_coemb_hidden"]
    shapes = {name: list(tensor.shape) for name, tensor in evaluator.state_dict().items()}
    for encoder, expected in facts["keys_shapes"].items():
        assert shapes.items() >= {f"{encoder}.{name}": shape for name, shape in expected.items()}.items()


@torch.no_grad()
def test_embeddings_in_input_order(
    evaluator: MotionEvaluator, official: dict[str, Tensor], facts: dict[str, Any]
) -> None:
    ours = evaluator.embed(official["motions"], official["lengths"])
    _assert_close(ours, official["embeddings_input_order"], facts)
    _assert_close(ours[official["align_idx"]], official["embeddings_official_order"], facts)


@torch.no_grad()
def test_movements(evaluator: MotionEvaluator, official: dict[str, Tensor], facts: dict[str, Any]) -> None:
    ours = evaluator.movement_encoder(official["motions"][..., :-CONTACT_DIMS])
    _assert_close(ours, official["movement_features"], facts)


@torch.no_grad()
def test_what_lies_past_the_length(
    evaluator: MotionEvaluator, official: dict[str, Tensor], facts: dict[str, Any]
) -> None:
    motions, lengths = official["motions_nonzero_tail"], official["lengths"]
    _assert_close(
        evaluator.embed(motions, lengths, zero_tail=False),
        official["embeddings_nonzero_tail_input_order"],
        facts,
    )
    _assert_close(evaluator.embed(motions, lengths), official["embeddings_input_order"], facts)
