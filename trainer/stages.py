"""What each task is made of, from settings, data and the run's tokenizer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hero_core.checkpoints import DESCRIPTION_FILE
from hero_core.config import Config, ConfigT, parse_config
from hero_core.errors import ConfigError, InputError, WeightsError
from hero_core.models.codec import MotionCodec
from hero_core.models.evaluator import MotionEvaluator
from hero_core.models.masked import MaskedTransformer
from hero_core.models.residual import ResidualTransformer
from hero_core.models.transformer import TransformerConfig
from hero_core.runs import CODEC_KEY, codec_fingerprint, load_codec
from trainer.config import OFFICIAL_FEAT_BIAS, TaskName, TrainConfig, TrainingConfig
from trainer.data import TrainingData
from trainer.draws import UNIT_FRAMES
from trainer.loader import PairBatches, WindowBatches
from trainer.loop import Task
from trainer.tasks.evaluator import EvaluatorTask, Matching, Relations
from trainer.tasks.masked import MaskedTask
from trainer.tasks.residual import ResidualTask
from trainer.tasks.rvq import RvqTask
from trainer.tasks.tokens import TokenBatches


@dataclass(frozen=True)
class Ingredients:
    """What tasks are made from. ``initial_codec`` is a checkpoint folder to fine-tune the tokenizer from."""

    config: TrainConfig
    data: TrainingData
    run: Path
    device: torch.device
    initial_codec: Path | None = None


@dataclass(frozen=True)
class Stage:
    """A task that is ready to train.

    Attributes:
        model: settings of the model as it was built; sizes that the data or the tokenizer decide are filled in.
        counts: what was found to learn from, and what was left out.
        official: which of the official release's deviations from the sound behaviour are on.
        inputs: fingerprints of what the model was made with, noted in its checkpoints.
    """

    task: Task[Any]
    training: TrainingConfig
    model: Config
    counts: Mapping[str, int]
    official: Mapping[str, bool]
    inputs: Mapping[str, str]


def build_stage(name: TaskName, ingredients: Ingredients) -> Stage:
    """Make a task; initial weights come from the global generator.

    Raises:
        InputError: the data lacks what the task needs.
        WeightsError: the run has no tokenizer yet, or none is where fine-tuning should start.
        ConfigError: settings and data do not fit together.
    """
    builders: dict[TaskName, Callable[[Ingredients], Stage]] = {
        "rvq": _rvq,
        "masked": _masked,
        "residual": _residual,
        "evaluator": _evaluator,
    }
    return builders[name](ingredients)


def checkpoint_of(path: Path, task: TaskName) -> Path:
    """The checkpoint folder meant by ``path``: itself, its ``best/``, or the best of the run that it is.

    Raises:
        WeightsError: none of them is one.
    """
    for folder in (path, path / "best", path / task / "best"):
        if (folder / DESCRIPTION_FILE).is_file():
            return folder
    raise WeightsError(f"{path}: neither a checkpoint nor a run with a {task} checkpoint")


def _rvq(given: Ingredients) -> Stage:
    config, section = given.config, given.config.rvq
    table = given.data.train(config.selection)
    training = section.training
    windows = WindowBatches(table, training.batch_size, training.window_frames, config.seed, config.workers)
    codec = (
        MotionCodec(section.model, *_statistics(given))
        if given.initial_codec is None
        else MotionCodec.load(given.initial_codec)
    )
    _require_whole_tokens(codec)
    validation = given.data.validation(config.selection)
    counts = {
        "training_motions": windows.motions,
        "training_motions_skipped_shorter_than_window": windows.skipped,
        "training_windows": windows.order.samples,
        "validation_motions": len(validation.unique_motions()),
    }
    official = {
        **_official(config, training),
        "feat_bias_applied_twice": config.feat_bias == OFFICIAL_FEAT_BIAS,
        "code_reset": codec.config.code_reset == "official",
    }
    task = RvqTask(codec, windows, validation, given.device)
    return Stage(task, training, codec.config, counts, official, {})


def _masked(given: Ingredients) -> Stage:
    section = given.config.masked
    codec = _frozen_codec(given)
    model = _fitted(
        section.model, "masked.model", given, codec_sizes={"codebook_size": codec.config.codebook_size}
    )
    tokens, counts = _tokens(given, section.training, model, codec)
    task = MaskedTask(MaskedTransformer(model), tokens, given.device)
    official = {
        **_official(given.config, section.training),
        "mask_over_padded": model.mask_over_padded,
        "guidance_keeps_frames": model.guidance_keeps_frames,
    }
    return Stage(task, section.training, model, counts, official, {CODEC_KEY: codec_fingerprint(codec)})


def _residual(given: Ingredients) -> Stage:
    section = given.config.residual
    codec = _frozen_codec(given)
    sizes = {"codebook_size": codec.config.codebook_size, "quantizers": codec.config.quantizers}
    model = _fitted(section.model, "residual.model", given, codec_sizes=sizes)
    tokens, counts = _tokens(given, section.training, model, codec)
    task = ResidualTask(ResidualTransformer(model), tokens, given.device)
    official = {
        **_official(given.config, section.training),
        "allow_pad_class": model.allow_pad_class,
        "guidance_keeps_frames": model.guidance_keeps_frames,
    }
    return Stage(task, section.training, model, counts, official, {CODEC_KEY: codec_fingerprint(codec)})


def _evaluator(given: Ingredients) -> Stage:
    section = given.config.evaluator
    train, validation, counts = _pairs(given, section.training.batch_size)
    tables = given.data.train(given.config.selection), given.data.validation(given.config.selection)
    motion = MotionEvaluator(section.model, *_statistics(given))
    model = Matching(motion, given.data.feature_dim)
    task = EvaluatorTask(model, train, validation, Relations(*tables), section.margin, given.device)
    official = {
        **_official(given.config, section.training),
        "feat_bias_applied_twice": given.config.feat_bias == OFFICIAL_FEAT_BIAS,
    }
    return Stage(task, section.training, section.model, counts, official, {})


def _tokens(
    given: Ingredients, training: TrainingConfig, model: TransformerConfig, codec: MotionCodec
) -> tuple[TokenBatches, dict[str, int]]:
    longest = given.data.longest_motion_frames
    if longest > model.max_tokens * UNIT_FRAMES:
        raise ConfigError(
            f"{given.data.folder}: motions of up to {longest} frames need max_tokens of at least "
            f"{longest // UNIT_FRAMES}, but it is {model.max_tokens}"
        )
    train, validation, counts = _pairs(given, training.batch_size)
    return TokenBatches(codec, train, validation, given.device), counts


def _pairs(given: Ingredients, batch_size: int) -> tuple[PairBatches, PairBatches, dict[str, int]]:
    config, data = given.config, given.data
    frames = (
        data.longest_motion_frames
    )  # one padded size for all batches: a sample's tokens depend on it alone
    train, validation = (
        PairBatches(table, batch_size, frames, config.seed, config.workers)
        for table in (data.train(config.selection), data.validation(config.selection))
    )
    counts = {
        "training_pairs": train.order.samples,
        "training_pairs_skipped_shorter_than_token": train.skipped,
        "validation_pairs": validation.order.samples,
        "validation_pairs_skipped_shorter_than_token": validation.skipped,
        "padded_frames": frames,
    }
    return train, validation, counts


def _fitted(model: ConfigT, origin: str, given: Ingredients, codec_sizes: Mapping[str, int]) -> ConfigT:
    values = {**model.model_dump(), **codec_sizes, "feature_dim": given.data.feature_dim}
    return parse_config(type(model), values, origin)


def _frozen_codec(given: Ingredients) -> MotionCodec:
    codec = load_codec(given.run)
    _require_whole_tokens(codec)
    return codec


def _require_whole_tokens(codec: MotionCodec) -> None:
    if codec.unit_length != UNIT_FRAMES:
        raise InputError(
            f"the tokenizer makes tokens of {codec.unit_length} frames; training needs {UNIT_FRAMES}"
        )


def _statistics(given: Ingredients) -> tuple[Tensor, Tensor]:
    normaliser = given.data.normaliser().emphasised(given.config.feat_bias)
    return torch.from_numpy(normaliser.mean), torch.from_numpy(normaliser.std)


def _official(config: TrainConfig, training: TrainingConfig) -> dict[str, bool]:
    return {
        "selection_on_test": config.selection == "official-test",
        "warmup_never_ends": training.official_warmup,
    }
