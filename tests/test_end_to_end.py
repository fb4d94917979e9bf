"""The chain of the README at a toy size, through the commands, on data that it makes itself."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from hero_core.motion.bvh import read_bvh
from pipeline.cli import app as pipeline_app
from pipeline.decode.video import decode_clip
from pipeline.react_cli import app as react_app
from trainer.cli import app as train_app
from trainer.eval.cli import app as eval_app

FEW_STEPS = [
    word
    for task in ("rvq", "masked", "residual", "length", "evaluator")
    for word in ("--set", f"{task}.training.steps=2", "--set", f"{task}.training.batch_size=8")
]


def invoke(app: typer.Typer, words: Sequence[object], status: int = 0) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result.output


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MiniViMo, features, training data and a run, each made by its command."""
    home = tmp_path_factory.mktemp("home")
    invoke(pipeline_app, ["demo-data", home / "minivimo", "--clips", 30, "--seed", 5])
    invoke(pipeline_app, ["extract", home / "minivimo", home / "features"])
    words = ["build-pairs", home / "minivimo", "--features", home / "features", "--out", home / "data"]
    invoke(pipeline_app, words)
    invoke(pipeline_app, ["verify", home / "features"])
    invoke(pipeline_app, ["verify", home / "data"])
    invoke(train_app, ["all", home / "data", "--out", home / "run", "--preset", "demo", *FEW_STEPS])
    return home


def test_numbers(home: Path) -> None:
    few = ["--repeats", 1, "--set", "multimodality_clips=2", "--set", "multimodality_generations=2"]
    output = invoke(eval_app, ["metrics", home / "run", "--data", home / "data", "--protocol", "quick", *few])
    assert "MiniViMo" in output
    assert "it is not ViMo" in " ".join(output.split())
    assert json.loads((home / "run" / "eval" / "result.json").read_text())


def test_reaction_to_a_new_clip(home: Path) -> None:
    invoke(pipeline_app, ["demo-data", home / "new", "--clips", 1, "--seed", 6])
    (video,) = (home / "new" / "videos").rglob("*.mp4")
    out = home / "reaction"
    invoke(react_app, [video, "--run", home / "run", "--out", out, "--frames", 40])
    with np.load(out / f"{video.stem}-0.npz", allow_pickle=False) as arrays:
        assert arrays["vectors"].shape == (40, 263)
        assert arrays["joints"].shape == (40, 22, 3)
        assert np.isfinite(arrays["joints"]).all()
    assert len(read_bvh(out / f"{video.stem}-0.bvh").positions) == 40
    assert decode_clip(out / f"{video.stem}-0.mp4").frame_count >= 40


def test_resume_of_a_finished_run_changes_nothing(home: Path) -> None:
    weights = home / "run" / "masked" / "best.safetensors"
    before = weights.read_bytes()
    assert "finished already" in invoke(train_app, ["all", home / "data", "--out", home / "run", "--resume"])
    assert weights.read_bytes() == before
