"""The diffusion generators through the commands: trained, resumed exactly, measured, and reacting."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hero_core.models.base import generator_class
from hero_core.motion.format import MOTION_DIM
from pipeline.decode.video import write_mp4
from pipeline.encoders import load_encoder
from pipeline.fingerprint import feature_identity
from pipeline.react_cli import app as react_app
from tests.test_toy_generator import invoke, sets
from tests.trainer.conftest import write_training_set
from trainer.cli import app as train_app
from trainer.config import load_train_config
from trainer.eval.cli import app as eval_app
from trainer.preset_files import presets

STEPS = 4
SCHEDULE = {
    "batch_size": 4,
    "select_by": "loss",
    "evaluate_every_steps": 2,
    "log_every_steps": 2,
    "milestones": [],
}
EVALUATOR = [
    *sets("evaluator.model.", movement_hidden=8, movement_dim=8, motion_hidden=8, embedding_dim=8),
    *sets("evaluator.training.", steps=2),
]
SMALL = {
    "mdm": {
        "denoiser": {"latent_dim": 8, "ff_size": 8, "layers": 1, "heads": 2, "diffusion_steps": 8},
    },
    "mld": {
        "vae": {"latent_dim": 8, "ff_size": 8, "layers": 1, "heads": 2},
        "denoiser": {"ff_size": 8, "layers": 1, "heads": 2},
    },
}


def settings(kind: str, steps: int) -> list[str]:
    words = ["--set", "sampling.steps=3", *EVALUATOR]
    for part, model in SMALL[kind].items():
        words += sets(f"{part}.model.", **model) + sets(f"{part}.training.", steps=steps, **SCHEDULE)
    return words


@pytest.mark.parametrize("kind", list(SMALL))
def test_trained_resumed_measured_and_reacting(kind: str, tmp_path: Path) -> None:
    encoder = load_encoder("mini", None, torch.device("cpu"), torch.float32)
    identity = feature_identity(encoder, "float32", batch_clips=1, rotate=False)
    data = write_training_set(tmp_path / "data", identity=identity, feature_dim=encoder.feature_dim)
    run, other, clip = tmp_path / "run", tmp_path / "other", tmp_path / "clip.mp4"
    common = (data, "--generator", kind, "--preset", "demo")
    invoke(train_app, "all", *common, "--out", run, *settings(kind, STEPS))
    for part in SMALL[kind]:  # each at a time: a later one learns from an earlier one's last weights
        for steps in (STEPS // 2, STEPS):
            resume = ["--resume"] if steps == STEPS else []
            invoke(train_app, part, *common, "--out", other, *resume, *settings(kind, steps))
        for name in ("best", "last"):
            ours, theirs = (load_file(each / part / f"{name}.safetensors") for each in (run, other))
            assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []

    for part in set(SMALL[kind]) & {"vae"}:  # can go on from another run's
        finetuned = (
            data,
            "--generator",
            kind,
            "--preset",
            "demo",
            "--out",
            tmp_path / "tuned",
            "--finetune",
            run,
        )
        assert f"{part}: best" in invoke(train_app, part, *finetuned, *settings(kind, 2))

    short = sets("multimodality_", clips=2, generations=2)
    assert kind.upper() in invoke(eval_app, "metrics", run, "--data", data, "--repeats", 1, *short)
    write_mp4(clip, [np.full((64, 64, 3), level, np.uint8) for level in range(40)], 20)
    invoke(react_app, clip, "--run", run, "--out", tmp_path / "out", "--frames", 24)
    with np.load(tmp_path / "out" / "clip-0.npz", allow_pickle=False) as arrays:
        assert arrays["vectors"].shape == (24, MOTION_DIM)
        assert np.isfinite(arrays["vectors"]).all()


@pytest.mark.parametrize(("kind", "preset"), [(kind, each) for kind in SMALL for each in presets(kind)])
def test_presets(kind: str, preset: str) -> None:
    config = load_train_config(kind, preset)
    assert config.feat_bias == 1  # plain statistics
    training = config.section("denoiser").training
    assert training.select_by == "reactions"
    assert training.average_warmup == (preset != "50-steps")
    if preset != "demo":
        assert (training.lr, training.betas, training.batch_size) == (1e-4, (0.9, 0.999), 64)
        assert config.sampling == generator_class(kind).sampling_settings()
        sizes = config.section("denoiser").model.model_dump(exclude={"diffusion_steps", "mask_frames"})
        default = type(config.section("denoiser").model)()
        assert sizes == default.model_dump(exclude={"diffusion_steps", "mask_frames"})
