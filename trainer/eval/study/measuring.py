"""One result of a study: measured unless it is there already and still of the same weights, data and settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hero_core.errors import WeightsError
from hero_core.models.base import generator_class
from hero_core.progress import Progress, silent
from hero_core.runs import EVALUATORS, LoadedRun, checkpoint_path, generator_of, load_run
from hero_core.storage import read_json, sha256_of_file
from hero_core.training_set import TrainingSet
from trainer.eval.baselines import KnownPairs
from trainer.eval.by_clip import beside
from trainer.eval.choices import HeldOutSplit
from trainer.eval.evaluators import load_evaluators
from trainer.eval.measure import CONTROL, measure, shuffled_control, write_result
from trainer.eval.protocol import EvaluationConfig
from trainer.eval.report import SCHEMA, Subject
from trainer.eval.study.trivial import TrivialName, trivial_run

OF = "of"
"""Where a result of a study says what it is of."""


@dataclass(frozen=True)
class Measurement:
    """What to measure.

    Attributes:
        run: folder of the run, or the name of an answer without a model.
        evaluators: run that holds both evaluators.
        data: what is held out of it is measured on.
        split: which part of that.
        config: how.
        device: where to compute.
        path: of the result.
    """

    run: Path | TrivialName
    evaluators: Path
    data: TrainingSet
    split: HeldOutSplit
    config: EvaluationConfig
    device: torch.device
    path: Path

    def done(self) -> bool:
        """Whether the result is there, and of what would be measured now."""
        if not (self.path.is_file() and beside(self.path).is_file()):
            return False
        return bool(read_json(self.path).get(OF) == self._facts())

    def __call__(self, report: Progress = silent) -> None:
        """Measure and write.

        Raises:
            HeroError: anything a user can put right.
        """
        facts = self._facts()
        vectors, origin, joints, joint_origin = load_evaluators(self.evaluators, self.data)
        subject = Subject(
            self._load(), "best", origin, self.data, self.split, self.config, self.device, joint_origin
        )
        result = measure(subject, vectors, report, joints)
        more: dict[str, Any] = {OF: facts}
        if isinstance(self.run, Path):
            more[CONTROL] = shuffled_control(subject, vectors, joints)
        write_result(self.path, result, subject, **more)

    def _load(self) -> LoadedRun:
        if isinstance(self.run, Path):
            return load_run(self.run, sampling=self.config.sampling_overrides())
        return trivial_run(self.run, KnownPairs.of(self.data), self.data.folder)

    def _facts(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "weights": _weights(self.run),
            "evaluators": {name: _sha256(checkpoint_path(self.evaluators, name)) for name in EVALUATORS},
            "data": self.data.digest,
            "split": self.split,
            "config": self.config.model_dump(mode="json"),
        }


def _weights(run: Path | TrivialName) -> Any:
    """Which weights react: the SHA-256 of every part's file."""
    if not isinstance(run, Path):
        return run
    parts = generator_class(str(generator_of(run))).parts
    return {name: _sha256(checkpoint_path(run, name)) for name in parts}


def _sha256(path: Path) -> str:
    if not path.is_file():
        raise WeightsError(f"{path}: missing; run the same command again, which trains it")
    return sha256_of_file(path)
