"""Every generator but HERO through the commands, tiny: trained, gone on with, measured, and reacting to a clip."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from safetensors.torch import load_file
from typer.testing import CliRunner

from hero_core.models.base import generator_class
from hero_core.motion.format import FRAMES_PER_TOKEN, MOTION_DIM
from hero_core.runs import checkpoint_path, load_generator
from pipeline.decode.video import write_mp4
from pipeline.encoders import load_encoder
from pipeline.fingerprint import feature_identity
from pipeline.react_cli import app as react_app
from tests.trainer.conftest import write_training_set
from trainer.cli import app as train_app
from trainer.eval.cli import app as eval_app

TINY: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "bamm": {
        "rvq": {"width": 16, "code_dim": 16, "codebook_size": 8, "quantizers": 3, "depth": 1},
        "autoregressive": {"code_dim": 16, "latent_dim": 16, "layers": 2, "heads": 2, "ff_size": 32},
        "residual": {"code_dim": 16, "latent_dim": 16, "layers": 1, "heads": 2, "ff_size": 32},
    },
    "momask": {
        "rvq": {"width": 16, "code_dim": 16, "codebook_size": 8, "quantizers": 3, "depth": 1},
        "masked": {"code_dim": 16, "latent_dim": 16, "layers": 1, "heads": 2, "ff_size": 32},
        "residual": {"code_dim": 16, "latent_dim": 16, "layers": 1, "heads": 2, "ff_size": 32},
    },
    "t2mgpt": {
        "vq": {"width": 16, "code_dim": 16, "codebook_size": 8, "depth": 1},
        "gpt": {"width": 16, "layers": 2, "heads": 2, "ff_size": 32},
    },
}
"""By generator and part, sizes of models that train in moments."""

EVALUATOR = {"movement_hidden": 8, "movement_dim": 8, "motion_hidden": 8, "embedding_dim": 8}


def invoke(app: typer.Typer, *words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def settings(parts: Mapping[str, Mapping[str, object]], steps: int) -> list[str]:
    """Small models, trained for so many steps."""
    training = {"batch_size": 4, "steps": steps, "evaluate_every_steps": 50, "select_by": "loss"}
    values = {
        f"{part}.{section}.{name}": value
        for part, model in {**parts, "evaluator": EVALUATOR}.items()
        for section, named in (("model", model), ("training", training))
        for name, value in named.items()
    }
    return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]


@pytest.mark.parametrize("kind", TINY)
def test_trained_resumed_measured_and_reacting(kind: str, tmp_path: Path) -> None:
    encoder = load_encoder("mini", None, torch.device("cpu"), torch.float32)
    identity = feature_identity(encoder, "float32", batch_clips=1, rotate=False)
    data = write_training_set(tmp_path / "data", identity=identity, feature_dim=encoder.feature_dim)
    parts, cls = TINY[kind], generator_class(kind)
    assert list(parts) == list(cls.parts)

    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    common = ("--generator", kind, "--preset", "demo")
    invoke(train_app, "all", data, "--out", whole, *common, *settings(parts, 6))
    for part in parts:  # the first ones to their end, on which the later ones build
        invoke(train_app, part, data, "--out", stopped, *common, *settings(parts, 2))
        invoke(train_app, part, data, "--out", stopped, "--resume", *settings(parts, 6))
        once, twice = (load_file(checkpoint_path(run, part, "last")) for run in (whole, stopped))
        assert once.keys() == twice.keys()
        assert [name for name in once if not torch.equal(once[name], twice[name])] == [], part

    short = ["--set", "multimodality_clips=2", "--set", "multimodality_generations=2"]
    assert kind.upper() in invoke(eval_app, "metrics", whole, "--data", data, "--repeats", 1, *short)

    clip, out = tmp_path / "clip.mp4", tmp_path / "out"
    write_mp4(clip, [np.full((64, 64, 3), level, np.uint8) for level in range(40)], 20)
    invoke(react_app, clip, "--run", whole, "--out", out, "--frames", 24)
    assert vectors(out).shape == (24, MOTION_DIM)
    if load_generator(whole).chooses_length:
        invoke(react_app, clip, "--run", whole, "--out", out, "--length", "auto")
        assert len(vectors(out)) % FRAMES_PER_TOKEN == 0


def vectors(out: Path) -> np.ndarray:
    with np.load(out / "clip-0.npz", allow_pickle=False) as arrays:
        motion: np.ndarray = arrays["vectors"]
    return motion
