"""Our metrics against the official ones, on the fixture's numbers."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer.eval.intervals import paper_interval
from trainer.metrics import (
    RankDeficientWarning,
    diversity_at,
    fid,
    mpjpe,
    multimodality_at,
)


@pytest.fixture(scope="module")
def folder(parity_dir: Path) -> Path:
    if not (parity_dir / "metrics").is_dir():
        pytest.skip(f"{parity_dir} has no metrics/")
    return parity_dir / "metrics"


@pytest.fixture(scope="module")
def stated(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text())


@pytest.fixture(scope="module")
def official(folder: Path) -> dict[str, Any]:
    with np.load(folder / "metrics.npz", allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


@pytest.fixture(scope="module")
def tolerance(stated: dict[str, Any]) -> float:
    return _number_in(stated["tolerance_hint"])


def _number_in(sentence: str) -> float:
    return min(map(float, re.findall(r"\d+e-\d+", sentence)))


def test_fid(official, tolerance):
    assert fid(official["act_real"], official["act_gen"]) == pytest.approx(official["fid"], rel=tolerance)
    exact = fid(official["act_real"].astype(np.float64), official["act_gen"].astype(np.float64))
    assert exact == pytest.approx(official["fid_float64_inputs"], rel=tolerance)


def test_fid_of_a_set_with_itself_is_zero_within_rounding(official):
    assert abs(fid(official["act_real"], official["act_real"])) < 1e-9


def test_fid_with_fewer_samples_than_dimensions(official, stated):
    with pytest.warns(RankDeficientWarning):
        value = fid(official["act_rank_deficient"], official["act_gen"])
    assert value == pytest.approx(
        official["fid_rank_deficient_vs_gen"],
        rel=_number_in(stated["semantics"]["fid_rank_deficient_vs_gen"]),
    )


def test_diversity_at_the_drawn_indices(official, tolerance):
    names = sorted(name for name in official if name.startswith("div") and name.endswith("_first"))
    assert names
    for name in names:
        stem = name.removesuffix("_first")
        ours = diversity_at(official["act_real"], official[name], official[f"{stem}_second"])
        assert ours == pytest.approx(float(official[stem]), rel=tolerance), stem


def test_multimodality_at_the_drawn_indices(official, tolerance):
    (name,) = (name for name in official if name.startswith("multimodality"))
    ours = multimodality_at(official["mm_act"], official["mm_first"], official["mm_second"])
    assert ours == pytest.approx(float(official[name]), rel=tolerance)


def test_mpjpe_of_each_pose(official, tolerance):
    ours = mpjpe(official["mpjpe_gt"], official["mpjpe_pred"])
    np.testing.assert_allclose(ours, official["mpjpe_per_pose"], rtol=tolerance)


def test_confidence_interval_of_the_repeats(official, tolerance):
    ours = paper_interval(official["repeats"])
    assert ours.mean == pytest.approx(float(official["mean"]), rel=tolerance)
    assert ours.half_width == pytest.approx(float(official["conf"]), rel=tolerance)
