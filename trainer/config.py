"""Settings of training. Two presets: ``paper``, and ``demo``, the same method with small models and few steps."""

import tomllib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from hero_core.config import Config, load_config
from hero_core.files import sha256_of_json
from hero_core.models.evaluator import EvaluatorConfig
from hero_core.models.masked import MaskedConfig
from hero_core.models.residual import ResidualConfig
from hero_core.models.rvq import RvqConfig
from trainer.data import Selection
from trainer.draws import UNIT_FRAMES
from trainer.schedules import ScheduleConfig

Preset = Literal["paper", "demo"]
TaskName = Literal["rvq", "masked", "residual", "evaluator"]


class TrainingConfig(ScheduleConfig):
    """How one model is trained, with AdamW.

    Attributes:
        epochs: passes over the training data; with ``steps``, what ends first.
        steps: batches in all.
        gradient_clip: largest norm of the gradient; unlimited unless set.
        log_every_steps: one line in ``log.jsonl`` this often, with the means since the last one.
        evaluate_every_steps: validate, and keep the best checkpoint, this often; once an epoch unless set.
        save_every_steps: save ``last/``, from which a run resumes, this often; with every validation unless set.
    """

    batch_size: int = Field(64, ge=1)
    epochs: int | None = Field(None, ge=1)
    steps: int | None = Field(None, ge=1)
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = Field(0.0, ge=0)
    gradient_clip: float | None = Field(None, gt=0)
    log_every_steps: int = Field(10, ge=1)
    evaluate_every_steps: int | None = Field(None, ge=1)
    save_every_steps: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.epochs is None and self.steps is None:
            raise ValueError("set epochs or steps, or training never ends")
        return self

    def total_steps(self, steps_per_epoch: int) -> int:
        """Batches in all."""
        limits = [self.steps, None if self.epochs is None else self.epochs * steps_per_epoch]
        return min(limit for limit in limits if limit is not None)


class RvqTrainingConfig(TrainingConfig):
    """Training of the tokenizer, on windows of ``window_frames``."""

    window_frames: int = Field(20, ge=UNIT_FRAMES, multiple_of=UNIT_FRAMES)

    @property
    def milestone_delay_steps(self) -> int:
        """The official tokenizer training counts its milestones from the last step of the warm-up."""
        return max(0, self.warmup_steps - 1) if self.official_warmup else 0


class RvqSection(Config):
    """The tokenizer."""

    model: RvqConfig = RvqConfig()
    training: RvqTrainingConfig

    @model_validator(mode="after")
    def _four_frames_a_token(self) -> Self:
        if self.model.unit_length != UNIT_FRAMES:
            raise ValueError(f"model.downsamplings must make tokens of {UNIT_FRAMES} frames")
        return self


class MaskedSection(Config):
    """The masked transformer. Its codebook and feature sizes come from the tokenizer and the data."""

    model: MaskedConfig = MaskedConfig()
    training: TrainingConfig


class ResidualSection(Config):
    """The residual transformer. Its codebook and feature sizes come from the tokenizer and the data."""

    model: ResidualConfig = ResidualConfig()
    training: TrainingConfig


class EvaluatorSection(Config):
    """The evaluator that the metrics compare motions with.

    ``margin`` is how far apart the loss pushes motions and videos that do not belong together.
    """

    model: EvaluatorConfig = EvaluatorConfig()
    margin: float = Field(10.0, gt=0)
    training: TrainingConfig


OFFICIAL_FEAT_BIAS = 25.0


class TrainConfig(Config):
    """Every setting of ``hero-train``.

    Attributes:
        seed: of weights, order, crops, masks and dropout.
        selection: which pairs choose the best checkpoint. ``official-test`` reproduces the release: it learns from
            ``train`` and ``val``, and chooses on ``test``.
        feat_bias: what the deviations of the root's columns and the contacts are divided by, so that the models see
            these columns larger. HumanML3D's users say 5; the release's code divides twice, so by 25.
        workers: processes that read batches ahead; 0 reads in the training process. Never changes a number.
        tensorboard: also write event files.
    """

    seed: int = Field(3407, ge=0)
    selection: Selection = "validation"
    feat_bias: float = Field(5.0, gt=0)
    workers: int = Field(0, ge=0)
    tensorboard: bool = False
    rvq: RvqSection
    masked: MaskedSection
    residual: ResidualSection
    evaluator: EvaluatorSection

    def fingerprint(self, task: TaskName) -> str:
        """Which settings decide the numbers of ``task``."""
        names = set(type(self).model_fields) - {
            "workers",
            "tensorboard",
            "rvq",
            "masked",
            "residual",
            "evaluator",
        }
        return sha256_of_json(self.model_dump(mode="json", include=names | {task}))[:16]


def load_train_config(preset: Preset, toml_path: Path | None, overrides: Sequence[str]) -> TrainConfig:
    """The preset, then a TOML file, then ``key=value`` overrides.

    Raises:
        ConfigError: a setting is unknown or impossible.
    """
    text = (files("trainer") / "presets" / f"{preset}.toml").read_text(encoding="utf-8")
    return load_config(TrainConfig, toml_path, overrides, base=tomllib.loads(text))
