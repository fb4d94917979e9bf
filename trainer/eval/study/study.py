"""A study: models trained over seeds on one data set, and measured by one evaluator and protocol.

OUT/runs/evaluators          the run that holds both evaluators of all
OUT/runs/NAME-SEED           the run of one training
OUT/results/NAME-SEED.json   its numbers, and those of the answers without a model
OUT/seconds/JOB.json         how long everything took

What is there already is not done again, so that a study that was stopped or killed goes on where it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from hero_core.config import load_config
from hero_core.storage import read_json
from hero_core.training_set import TrainingSet
from trainer.config import TrainConfig
from trainer.eval.by_clip import ByClip
from trainer.eval.choices import HeldOutSplit, ProtocolName
from trainer.eval.protocol import EvaluationConfig, protocol_for
from trainer.eval.study.entries import Entry
from trainer.eval.study.measuring import Measurement
from trainer.eval.study.trivial import TrivialName
from trainer.request import Request

EVALUATORS_FOLDER = "evaluators"


@dataclass(frozen=True)
class Training:
    """One training of an entry.

    Attributes:
        name: of its folder.
        request: what to train into it, from fresh weights.
    """

    entry: Entry
    name: str
    request: Request

    def request_for(self, part: str) -> Request:
        """What trains one part, which may start from weights of another run."""
        start = self.entry.starts.get(part)
        return self.request if start is None else replace(self.request, finetune=start.path)


@dataclass(frozen=True)
class Study:
    """See the module.

    Attributes:
        data: to learn from, and to measure on.
        out: the folder of all that is made.
        entries: the lines of the table.
        seeds: trainings of each, with the seeds 0, 1, ...
        evaluator: the settings that both evaluators are trained with.
        protocol: how reactions are measured.
        evaluation: settings of that, ``name=value``, in the place of the protocol's.
        device: where to compute.
        splits: what to measure on; files of results on another split than ``test`` have its name in theirs.
    """

    data: TrainingSet
    out: Path
    entries: Sequence[Entry]
    seeds: int
    evaluator: TrainConfig
    protocol: ProtocolName
    evaluation: Sequence[str]
    device: torch.device
    splits: Sequence[HeldOutSplit] = ("test",)

    @cached_property
    def trainings(self) -> list[Training]:
        """All of them: those of the first seed come first, so that there is a whole table early."""
        return [
            Training(entry, name, self._request(name, entry.config, seed, entry.settings_from))
            for seed in range(self.seeds)
            for entry in self.entries
            for name in [f"{entry.name}-{seed}"]
        ]

    @cached_property
    def evaluator_request(self) -> Request:
        """What the evaluators of all are trained by."""
        return self._request(EVALUATORS_FOLDER, self.evaluator, self.evaluator.seed, {"preset": None})

    @property
    def seconds(self) -> Path:
        """The folder of how long everything took."""
        return self.out / "seconds"

    def measurement(self, training: Training, split: HeldOutSplit) -> Measurement:
        """What measures one training."""
        config = self.evaluation_config(training.entry.config.generator)
        return self._measurement(training.request.out, training.name, split, config)

    def trivial_measurement(self, name: TrivialName, split: HeldOutSplit) -> Measurement:
        """What measures an answer without a model."""
        return self._measurement(name, name, split, self.evaluation_config(None))

    def evaluation_config(self, generator: str | None) -> EvaluationConfig:
        """The protocol for a generator."""
        return load_config(EvaluationConfig, None, self.evaluation, protocol_for(self.protocol, generator))

    def results(self, entry: Entry, split: HeldOutSplit = "test") -> list[Mapping[str, Any]]:
        """What was measured of every training of an entry."""
        return [read_json(path) for path in self._paths(entry, split)]

    def by_clip(self, entry: Entry, split: HeldOutSplit = "test") -> list[ByClip]:
        """What was kept of every clip, of every training of an entry."""
        return [ByClip.load(path) for path in self._paths(entry, split)]

    def trivial_result(self, name: TrivialName, split: HeldOutSplit = "test") -> Mapping[str, Any] | None:
        """What was measured of an answer without a model; None where it could not be given."""
        path = self._result_path(name, split)
        return read_json(path) if path.is_file() else None

    def _paths(self, entry: Entry, split: HeldOutSplit) -> list[Path]:
        return [self._result_path(one.name, split) for one in self.trainings if one.entry is entry]

    def _result_path(self, name: str, split: HeldOutSplit) -> Path:
        return self.out / "results" / f"{name}{'' if split == 'test' else f'.{split}'}.json"

    def _measurement(
        self, run: Path | TrivialName, name: str, split: HeldOutSplit, config: EvaluationConfig
    ) -> Measurement:
        path = self._result_path(name, split)
        evaluator = self.evaluator_request.out
        return Measurement(run, evaluator, self.data, split, config, self.device, path)

    def _request(
        self, name: str, config: TrainConfig, seed: int, settings_from: Mapping[str, Any]
    ) -> Request:
        seeded = config.model_copy(update={"seed": seed})
        run = self.out / "runs" / name
        return Request(self.data, run, seeded, self.device, settings_from, resume=True)
