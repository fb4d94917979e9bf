"""A new generator is one file: this one is trained, measured and reacts through the commands, as HERO does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import typer
from torch import Tensor, nn
from typer.testing import CliRunner

from hero_core.config import Config
from hero_core.models.base import Batch, Reactions, TrainingFacts, VideoFeatures, register
from hero_core.models.normalisation import Normalisation
from hero_core.models.padding import valid_mask, zero_past
from hero_core.motion.format import MAX_FRAMES, MOTION_DIM
from hero_core.storage import read_json
from pipeline.decode.video import write_mp4
from pipeline.encoders import load_encoder
from pipeline.fingerprint import feature_identity
from pipeline.react_cli import app as react_app
from tests.trainer.conftest import write_training_set
from trainer.cli import app as train_app
from trainer.eval.cli import app as eval_app
from trainer.log import read_log


class RegressorConfig(Config):
    """Its one size comes from the data."""

    feature_dim: int = 512


class Regressor(nn.Module):
    """One pose from a video, held for the whole reaction."""

    kind: ClassVar[str] = "toy-regressor"
    settings: ClassVar[type[RegressorConfig]] = RegressorConfig
    trained_on: ClassVar[Literal["pairs"]] = "pairs"
    encoded_by: ClassVar[None] = None
    metric: ClassVar[str] = "total"
    validation_draws: ClassVar[int] = 1
    recordable: ClassVar[bool] = True
    blocks: ClassVar[tuple[type[nn.Module], ...]] = ()

    def __init__(self, config: RegressorConfig) -> None:
        super().__init__()
        self.config = config
        self.normalisation = Normalisation(MOTION_DIM)
        self.layer = nn.Linear(config.feature_dim, MOTION_DIM)

    @classmethod
    def build(cls, config: RegressorConfig, facts: TrainingFacts) -> "Regressor":
        regressor = cls(config.model_copy(update={"feature_dim": facts.feature_dim}))
        regressor.normalisation.take(facts.statistics)
        return regressor

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        pose = self.layer(batch.video.global_feature)[:, None]  # (b, 1, 263)
        error = (self.normalisation(batch.motion) - pose).square().mean(-1)  # (b, n)
        return {"total": error[valid_mask(batch.lengths, error.shape[1])].mean()}


@register
class Toy(nn.Module):
    """The regressor and nothing else."""

    kind: ClassVar[str] = "toy"
    parts: ClassVar[Mapping[str, type[Any]]] = {"regressor": Regressor}
    settings: ClassVar[type[Config]] = Config
    sampling_settings: ClassVar[type[Config]] = Config
    max_length: ClassVar[int] = MAX_FRAMES
    chooses_length: ClassVar[bool] = False
    stops_by_itself: ClassVar[bool] = False

    def __init__(self, parts: Mapping[str, Any], sampling: Config) -> None:
        super().__init__()
        self.regressor: Regressor = parts["regressor"]
        self.sampling = sampling
        self.feature_dim = self.regressor.config.feature_dim

    @torch.no_grad()
    def generate(self, condition: VideoFeatures, lengths: Tensor, rng: torch.Generator) -> Reactions:
        poses = self.regressor.layer(condition.global_feature)[:, None]  # (b, 1, 263)
        motion = self.regressor.normalisation.inverse(poses).repeat(1, int(lengths.max()), 1)
        return Reactions(zero_past(motion, lengths), lengths)

    def reconstruct(self, motion: Tensor, lengths: Tensor) -> None:
        return None


def invoke(app: typer.Typer, *words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def sets(section: str, **values: object) -> list[str]:
    return [word for name, value in values.items() for word in ("--set", f"{section}{name}={value}")]


def test_trained_measured_and_reacting(tmp_path: Path) -> None:
    encoder = load_encoder("mini", None, torch.device("cpu"), torch.float32)
    identity = feature_identity(encoder, "float32", batch_clips=1, rotate=False)
    run, clip = tmp_path / "run", tmp_path / "clip.mp4"
    data = write_training_set(tmp_path / "data", identity=identity, feature_dim=encoder.feature_dim)
    common = (data, "--out", run, "--generator", "toy")
    steps = sets("regressor.training.", steps=60, lr=1e-2, evaluate_every_steps=60)
    assert "regressor: best at step 60" in invoke(train_app, "regressor", *common, *steps)
    losses = [line["total"] for line in read_log(run / "regressor" / "log.jsonl") if line["phase"] == "train"]
    assert losses[-1] < losses[0]
    assert read_json(run / "regressor" / "run.json")["settings_from"]["preset"] is None
    small = sets("evaluator.model.", movement_hidden=8, movement_dim=8, motion_hidden=8, embedding_dim=8)
    steps = sets("evaluator.training.", steps=2)
    assert "regressor: finished already" in invoke(train_app, "all", *common, "--resume", *small, *steps)

    short = sets("multimodality_", clips=2, generations=2)
    assert "TOY" in invoke(eval_app, "metrics", run, "--data", data, "--repeats", 1, *short)
    write_mp4(clip, [np.full((64, 64, 3), level, np.uint8) for level in range(40)], 20)
    invoke(react_app, clip, "--run", run, "--out", tmp_path / "out", "--frames", 24)
    with np.load(tmp_path / "out" / "clip-0.npz", allow_pickle=False) as arrays:
        assert arrays["vectors"].shape == (24, MOTION_DIM)
