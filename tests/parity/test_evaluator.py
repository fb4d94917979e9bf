"""The motion evaluator against numbers of the official code."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hero_core.models.evaluator import CONTACT_DIMS, MotionEvaluator
from hero_core.official.evaluator import import_evaluator


@pytest.fixture(scope="module")
def facts(parity_dir: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((parity_dir / "evaluator" / "evaluator.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def official(parity_dir: Path) -> dict[str, Tensor]:
    with np.load(parity_dir / "evaluator" / "evaluator.npz", allow_pickle=False) as stored:
        return {name: torch.from_numpy(np.asarray(stored[name])) for name in stored}


@pytest.fixture(scope="module")
def evaluator(
    parity_dir: Path, facts: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> MotionEvaluator:
    """Its statistics change nothing: the fixture's motions are normalised already."""
    folder = tmp_path_factory.mktemp("meta")
    dim = facts["hyperparameters"]["input"] + CONTACT_DIMS
    np.save(folder / "mean.npy", np.zeros(dim))
    np.save(folder / "std.npy", np.ones(dim))
    opt_txt = parity_dir / facts.get("opt_txt_path", facts["opt_txt"].split()[0])
    return import_evaluator(
        parity_dir / facts["checkpoint_path"], opt_txt, folder / "mean.npy", folder / "std.npy"
    )


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
