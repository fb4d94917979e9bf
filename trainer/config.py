"""Settings of training: the same ones for every generator, its own, and a section for each of its parts."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, create_model, model_validator

from hero_core.choices import EVALUATOR, JOINT_EVALUATOR
from hero_core.config import Config, merged, parse_config, read_settings
from hero_core.errors import ConfigError
from hero_core.fingerprint import differences
from hero_core.models import generators  # noqa: F401  registers them
from hero_core.models.base import generator_class
from hero_core.models.evaluator import EvaluatorConfig
from hero_core.motion.format import FRAMES_PER_TOKEN
from hero_core.runs import EVALUATORS
from hero_core.storage import sha256_of_json
from hero_core.training_set import Selection
from trainer.choices import DEFAULT_GENERATOR
from trainer.preset_files import preset_of, read_preset
from trainer.schedules import ScheduleConfig

Reading = Literal["auto", "resident", "mapped", "streaming"]

LENGTH = ("steps", "epochs")
"""Settings that say how long a part is trained; more of them extends a run."""

_UNIMPORTANT = ("log_every_steps", "save_every_steps", "pretrained_on")
_COMMON = ("seed", "selection", "feat_bias")


class TrainingConfig(ScheduleConfig):
    """How one part is trained, with AdamW.

    Attributes:
        batch_size: samples in a batch.
        epochs: passes over the training data; with ``steps``, what ends first; 100 if neither is set.
        steps: batches in all.
        betas: of AdamW.
        weight_decay: of AdamW.
        gradient_clip: largest norm of the gradient; unlimited unless set.
        window_frames: length of the windows of a part that is trained on windows; others do not use it.
        pretrained_on: what the method's own weights were trained on before; without ``--finetune``, hero-train warns
            and the run says that it started otherwise. Unset where the method starts from fresh weights.
        finetune_statistics: what a fine-tuned part normalises motions by: ``data``, as the release does, the statistics
            of what it is now trained on; ``checkpoint``, those that it was trained with before.
        select_by: what chooses the best checkpoint: ``loss``, that of the true motions; ``reactions``, what the part
            generates for the validation clips, by FID, or by wrong answers where the right ones are known.
        average_decay: evaluate, and keep in checkpoints, the moving average of the weights, of which each step keeps so
            much; the weights themselves unless set.
        average_warmup: let the average cover less at the start, so that the initial weights are soon forgotten; False
            keeps ``average_decay`` from the first step on.
        precision: of matrix products: ``float32``; ``tf32`` and ``bfloat16`` are faster on a GPU, and coarser.
        compile: let torch compile the blocks that a part is made of, which takes a minute before the first step.
        log_every_steps: one line in ``log.jsonl`` this often, with the means since the last one.
        evaluate_every_epochs: validate, and keep the best checkpoint, this often.
        evaluate_every_steps: the same in steps, where it is set.
        save_every_steps: save what a run resumes from this often; with every validation unless set.
    """

    batch_size: int = Field(64, ge=1)
    epochs: int | None = Field(None, ge=1)
    steps: int | None = Field(None, ge=1)
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = Field(0.0, ge=0)
    gradient_clip: float | None = Field(None, gt=0)
    window_frames: int = Field(20, ge=FRAMES_PER_TOKEN, multiple_of=FRAMES_PER_TOKEN)
    pretrained_on: str | None = None
    finetune_statistics: Literal["data", "checkpoint"] = "data"
    select_by: Literal["loss", "reactions"] = "loss"
    average_decay: float | None = Field(None, gt=0, lt=1)
    average_warmup: bool = True
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    compile: bool = False
    log_every_steps: int = Field(10, ge=1)
    evaluate_every_epochs: int = Field(1, ge=1)
    evaluate_every_steps: int | None = Field(None, ge=1)
    save_every_steps: int | None = Field(None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _ends(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and all(values.get(name) is None for name in LENGTH):
            return {**values, "epochs": 100}
        return values

    def total_steps(self, steps_per_epoch: int) -> int:
        """Batches in all."""
        limits = [self.steps, None if self.epochs is None else self.epochs * steps_per_epoch]
        return min(limit for limit in limits if limit is not None)


class Section(Config):
    """Settings of one part. Sizes that the data or an earlier part decide are replaced when it is built."""

    model: Config = Config()
    training: TrainingConfig = TrainingConfig()


class EvaluatorSection(Section):
    """An evaluator that the metrics compare motions with.

    Attributes:
        margin: how far apart the loss pushes motions and videos that do not belong together.
    """

    model: EvaluatorConfig = EvaluatorConfig()
    margin: float = Field(10.0, gt=0)


class TrainConfig(Config):
    """Every setting of ``hero-train`` that does not depend on the generator.

    Attributes:
        generator: what is trained.
        seed: of weights, order, crops, masks and dropout.
        selection: which pairs choose the best checkpoint. ``official-test`` reproduces the release: it learns from
            ``train`` and ``val``, and chooses on ``test``.
        feat_bias: what the deviations of the root's columns and the contacts are divided by, so that the models see
            these columns larger. HumanML3D's users say 5; the release's code divides twice, so by 25.
        reading: where batches come from: ``resident`` in the memory of the device; ``mapped`` from shards at random;
            ``streaming`` from one shard after another, in memory that does not grow with the set, which is another
            order and so gives other numbers; ``auto`` resident where a quarter of the free memory is enough, mapped
            where all of it is, else streaming. Resumed with ``auto``, a run keeps its order.
        shuffle_buffer: samples that ``streaming`` shuffles among, and keeps in memory; of windows, up to twice as many.
        motions_per_video: learn from ``all`` motions that fit a video, or from its ``first`` one alone.
        shards: folder or URL of the shards, where they are not with the rest of the training set; ``http``, ``https``,
            ``file``, and what fsspec has an installed package for, such as ``s3``.
        tensorboard: also write event files.
        sampling: how the generator makes reactions, where nothing else is said; its own settings.
        evaluator: what the metrics compare motions with.
        joint_evaluator: another one, which sees joints only; what is not said of it is as the evaluator's.
    """

    official_values: ClassVar[Mapping[str, Any]] = {"selection": "official-test", "feat_bias": 25.0}

    generator: str = DEFAULT_GENERATOR
    seed: int = Field(3407, ge=0)
    selection: Selection = "validation"
    feat_bias: float = Field(5.0, gt=0)
    reading: Reading = "auto"
    shuffle_buffer: int = Field(8192, ge=1)
    motions_per_video: Literal["all", "first"] = "all"
    shards: str | None = None
    tensorboard: bool = False
    sampling: Config = Config()
    evaluator: EvaluatorSection = EvaluatorSection()
    joint_evaluator: EvaluatorSection = EvaluatorSection(model=EvaluatorConfig(sees="joints"))

    @model_validator(mode="before")
    @classmethod
    def _two_alike(cls, values: Any) -> Any:
        return _said_of_both(values) if isinstance(values, Mapping) else values

    @model_validator(mode="after")
    def _each_sees_its_own(self) -> Self:
        for name, sees in EVALUATORS.items():
            if getattr(self, name).model.sees != sees:
                raise ValueError(f"{name}.model.sees: what this one sees is {sees}")
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """For other processes, by values: the class is made anew there, for the same generator."""
        return _restored, (self.generator, self.model_dump(mode="json"))

    @property
    def names(self) -> tuple[str, ...]:
        """All that can be trained, in the order in which it builds on each other."""
        return trainable(self.generator)

    def section(self, name: str) -> Section:
        """Settings of one part."""
        section: Section = getattr(self, name)
        return section

    def with_model(self, name: str, model: Config) -> Self:
        """The same settings with another model in one part's section."""
        return self.model_copy(update={name: self.section(name).model_copy(update={"model": model})})

    def deciding(self, name: str) -> dict[str, Any]:
        """The settings that decide what a part becomes, apart from how long it is trained.

        The generator's own settings count only as far as they change the part's section.
        """
        unimportant = {"training": set(LENGTH) | set(_UNIMPORTANT)}
        section = self.section(name).model_dump(mode="json", exclude=unimportant)
        by_reactions = self.section(name).training.select_by == "reactions"
        common = {*_COMMON, "sampling"} if by_reactions else set(_COMMON)
        return {**self.model_dump(mode="json", include=common), name: section}

    def changes(self, other: "TrainConfig", name: str) -> list[str]:
        """In what ``other`` differs of what decides a part and how long it is trained: ``name: mine != other``."""
        sections = (f"{name}.", *_COMMON)
        lines = {line.partition(":")[0]: line for line in differences(self, other)}
        return [
            line
            for path, line in lines.items()
            if path.startswith(sections) and not path.endswith(_UNIMPORTANT)
        ]

    def fingerprint(self, name: str) -> str:
        """Short name of :meth:`deciding`."""
        return sha256_of_json(self.deciding(name))[:16]


def _said_of_both(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is said of the evaluator also said of the one that sees joints, unless that is told otherwise."""
    first, second = (values.get(name, {}) for name in (EVALUATOR, JOINT_EVALUATOR))
    if not isinstance(first, Mapping) or not isinstance(second, Mapping):
        return values  # which are refused, by name
    other = merged(merged(first, {"model": {"sees": EVALUATORS[JOINT_EVALUATOR]}}), second)
    return {**values, JOINT_EVALUATOR: other}


def _restored(generator: str, values: Mapping[str, Any]) -> TrainConfig:
    return parse_config(train_config_class(generator), values, "settings")


def trainable(generator: str) -> tuple[str, ...]:
    """Names of the evaluators, which checkpoints may be chosen with, and of a generator's parts, in training order.

    Raises:
        ConfigError: no such generator.
    """
    return (*EVALUATORS, *generator_class(generator).parts)


def train_config_class(generator: str) -> type[TrainConfig]:
    """The class of all settings: the common ones, the generator's own, how it samples, and one section per part.

    Raises:
        ConfigError: no such generator.
    """
    cls: Any = generator_class(generator)
    return _settings_class(cls)


@cache  # so that settings of one generator are of one class, and can be compared
def _settings_class(cls: Any) -> type[TrainConfig]:
    sections: dict[str, Any] = {}
    for name, part in cls.parts.items():
        model = (part.settings, part.settings())
        section = create_model(f"{name.title()}Section", __base__=Section, model=model)
        sections[name] = (section, section())
    sections["sampling"] = (cls.sampling_settings, cls.sampling_settings())
    return create_model("Settings", __base__=(TrainConfig, cls.settings), **sections)


def load_train_config(
    generator: str | None = None,
    preset: str | None = None,
    toml_path: Path | None = None,
    overrides: Sequence[str] = (),
    base: TrainConfig | None = None,
) -> TrainConfig:
    """Settings to train with.

    Args:
        generator: which one; else the one that the file or the overrides name, that of ``base``, or HERO.
        preset: to start from; without one, ``base``, the ``paper`` preset, or the defaults of a generator without.
        toml_path: settings that replace the preset's.
        overrides: ``key=value`` that replace both.
        base: settings to start from instead of a preset.

    Raises:
        ConfigError: there is no such generator or preset, or a setting is unknown or impossible.
    """
    chosen = read_settings(toml_path, overrides)
    named = chosen.get("generator")
    if generator is not None and named not in (None, generator):
        raise ConfigError(f"the settings are for generator {named}, not for {generator}")
    kind = str(generator or named or (base.generator if base else DEFAULT_GENERATOR))
    start = base.model_dump(mode="json") if base and preset is None else _preset(kind, preset)
    values = {**merged(start, _said_of_both(chosen)), "generator": kind}
    return parse_config(train_config_class(kind), values, str(toml_path) if toml_path else "settings")


def _preset(generator: str, preset: str | None) -> dict[str, Any]:
    """What a preset states; one that names a ``base`` states only what it has otherwise than that preset."""
    name = preset_of(generator, preset)
    if name is None:
        return {}
    values = read_preset(generator, name)
    base = values.pop("base", None)
    return values if base is None else merged(_preset(generator, base), values)
