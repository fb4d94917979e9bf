"""The weights that a part starts from, where these are not fresh ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hero_core.errors import WeightsError
from hero_core.models.checkpoint import load_network, require_state
from hero_core.motion.statistics import MotionStatistics
from hero_core.official.find import in_official_layout
from hero_core.runs import find_checkpoint
from trainer.choices import DEFAULT_GENERATOR
from trainer.folder import PartFolder

INITIAL_WEIGHTS = "initial_weights"


@dataclass(frozen=True)
class Start:
    """Where a part starts.

    Attributes:
        network: of the same class, with the weights.
        record: where they come from, for the description of what is trained.
        statistics: what the part normalises motions by from now on; None to go on with those of ``network``.
    """

    network: Any
    record: Mapping[str, str]
    statistics: MotionStatistics | None = None

    def sized(self, model: Any) -> Any:
        """The settings of a model, with the sizes of these weights."""
        sizes = {each: getattr(self.network.config, each) for each in self.network.settings.of_weights}
        return model.model_copy(update=sizes)

    def give(self, part: Any, name: str) -> None:
        """Give the weights to a part that was built for the data and the earlier parts of its run.

        Raises:
            WeightsError: these decided sizes that the weights do not have; names them.
        """
        theirs, mine = self.network.config, part.config
        differing = [
            f"{each} {getattr(theirs, each)}, here {getattr(mine, each)}"
            for each in sorted(part.settings.of_weights)
            if getattr(theirs, each) != getattr(mine, each)
        ]
        if differing:
            raise WeightsError(
                f"{self.record['path']}: cannot be the start of {name}: {'; '.join(differing)}. The earlier parts "
                "of the run and the features of its data decide that; start from weights made for the same"
            )
        weights = self.network.state_dict()
        require_state(part.state_dict(), weights, self.record["path"])
        part.load_state_dict(weights)
        if self.statistics is not None:
            part.normalisation.take(self.statistics)


def start_of(
    cls: type[Any], folder: PartFolder, named: Path | None, choice: str, of_data: MotionStatistics
) -> Start | None:
    """Where a part starts, if not from fresh weights. A resumed part need not be told again.

    Args:
        cls: class of the part.
        folder: of the part.
        named: the checkpoint to start from, if one was named.
        choice: of ``data`` or ``checkpoint``, whose statistics a part that normalises motions takes.
        of_data: those of the data.

    Raises:
        WeightsError: the checkpoint is missing, damaged, or of another model.
    """
    recorded = folder.description().get(INITIAL_WEIGHTS)
    if named is not None:
        path = named
    elif recorded is None:
        return None
    elif folder.state.exists():
        return Start(load_network(folder.last, cls)[0], recorded)
    else:
        path = Path(recorded["path"])
    network, origin = load_network(path, cls)
    record = {"path": str(path.resolve()), "sha256": origin.sha256}
    if not hasattr(network, "normalisation"):
        return Start(network, record)
    statistics = of_data if choice == "data" else None
    return Start(network, {**record, "statistics": choice}, statistics)


def require_start(path: Path, name: str, generator: str) -> Path:
    """The checkpoint of part ``name`` that ``path``, given as ``--finetune``, means.

    Raises:
        WeightsError: there is none, or it is an official one that was not imported.
    """
    if in_official_layout(path):
        named = "" if generator == DEFAULT_GENERATOR else f" --generator {generator}"
        raise WeightsError(
            f"{path}: official weights, which are converted first: hero-train import-official {path} IMPORTED{named}, "
            "then --finetune IMPORTED"
        )
    return find_checkpoint(path, name)
