"""The networks that embed what is measured: found, loaded, and held to the features of the data."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from hero_core.choices import EVALUATOR, JOINT_EVALUATOR
from hero_core.config import parse_config
from hero_core.fingerprint import FeatureIdentity, differences
from hero_core.models.checkpoint import Origin
from hero_core.models.evaluator import MotionEvaluator
from hero_core.runs import checkpoint_path, load_evaluator
from hero_core.training_set import TrainingSet


class Evaluators(NamedTuple):
    """Both evaluators, and where their weights come from; None twice where there is none that sees joints."""

    vectors: MotionEvaluator
    origin: Origin
    joints: MotionEvaluator | None
    joint_origin: Origin | None


def load_evaluators(
    run: Path, data: TrainingSet, evaluator: Path | None = None, joint_evaluator: Path | None = None
) -> Evaluators:
    """The evaluators to measure a run with.

    One that was trained on features of another making embeds motions only: of these videos it knows nothing.

    Args:
        run: what is measured.
        data: what it is measured on.
        evaluator: a run or checkpoint in place of the run's own evaluator.
        joint_evaluator: the same for the one that sees joints; unless given, that of the run ``evaluator``, or of
            ``run``, whichever has one.

    Raises:
        WeightsError: one is missing, damaged, or sees something else of motions.
    """
    vectors, origin = _load(evaluator or run, EVALUATOR, data)
    places = [joint_evaluator] if joint_evaluator else [evaluator or run, run]
    for place in places:
        if joint_evaluator or checkpoint_path(place, JOINT_EVALUATOR).is_file():
            return Evaluators(vectors, origin, *_load(place, JOINT_EVALUATOR, data))
    return Evaluators(vectors, origin, None, None)


def _load(place: Path, name: str, data: TrainingSet) -> tuple[MotionEvaluator, Origin]:
    network, origin = load_evaluator(place, name)
    if not _of_these_features(origin, data):
        network.forget_videos()
    return network, origin


def _of_these_features(origin: Origin, data: TrainingSet) -> bool:
    trained_on: Mapping[str, object] = origin.metadata.get("data") or {}
    recorded = trained_on.get("features")
    if not isinstance(recorded, Mapping) or data.identity is None:
        return False
    return not differences(parse_config(FeatureIdentity, recorded, str(origin.path)), data.identity)
