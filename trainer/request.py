"""What to train, and on what."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hero_core.models.base import generator_class
from hero_core.models.ranks import ALONE, Ranks
from hero_core.runs import EVALUATORS
from hero_core.training_set import TrainingSet
from trainer.config import TrainConfig
from trainer.evaluator import Matching


@dataclass(frozen=True)
class Request:
    """What to train.

    Attributes:
        data: to learn from.
        out: the run folder, shared by all parts.
        config: every setting.
        device: where to compute.
        settings_from: where the settings came from (preset, file, overrides), for the record.
        resume: go on with what is in ``out`` already; without it, an existing part is never touched.
        finetune: run or checkpoint whose part of the same name to start from; the sizes of its model come along.
        ranks: the processes that train it together; all have the same request, each its own device.
    """

    data: TrainingSet
    out: Path
    config: TrainConfig
    device: torch.device
    settings_from: Mapping[str, Any]
    resume: bool = False
    finetune: Path | None = None
    ranks: Ranks = ALONE

    def __post_init__(self) -> None:
        if self.config.shards is not None:
            object.__setattr__(self, "data", self.data.with_shards_at(self.config.shards))
        if self.config.motions_per_video == "first":
            object.__setattr__(self, "data", self.data.with_first_motions())


def part_class(config: TrainConfig, name: str) -> type[Any]:
    """Class of a part of the generator, or of an evaluator as a part to train."""
    return Matching if name in EVALUATORS else generator_class(config.generator).parts[name]


def of_motions(name: str, config: TrainConfig) -> bool:
    """Whether a part learns from motions alone."""
    return bool(part_class(config, name).trained_on != "pairs")
