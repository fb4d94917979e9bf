"""``RUN/{task}``: settings, description, log, best and last checkpoint. A finished folder explains itself.

config.json   every setting, as given
run.json      what ran: versions, data, device, counts, official switches; and how it ended
log.jsonl     losses and validation metrics
best/         checkpoint with the lowest validation metric
last/         newest checkpoint, with training.safetensors to go on from
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hero_core.checkpoints import recover_folder, replace_folder
from hero_core.config import Config, parse_config
from hero_core.errors import InputError
from hero_core.files import read_json, write_json
from trainer.config import TrainConfig

FINISHED = "finished"


class RunFolder:
    """Where one task of a run keeps its files."""

    def __init__(self, run: Path, task: str) -> None:
        self.path = run / task
        self.best = self.path / "best"
        self.last = self.path / "last"
        self.state = self.last / "training.safetensors"
        self.log = self.path / "log.jsonl"
        self.tensorboard = self.path / "tensorboard"
        self._config = self.path / "config.json"
        self._description = self.path / "run.json"

    def prepare(self, resume: bool) -> None:
        """Make sure that starting here destroys nothing.

        Raises:
            InputError: something is here already and ``resume`` was not asked for.
        """
        if not resume and self.path.exists() and any(self.path.iterdir()):
            raise InputError(
                f"{self.path}: holds a run already; go on with --resume, or choose another --out"
            )
        recover_folder(self.last)
        recover_folder(self.best)

    def describe(self, config: Config, description: Mapping[str, Any]) -> None:
        """Write ``config.json`` and ``run.json``."""
        write_json(self._config, config.model_dump(mode="json"))
        write_json(self._description, {**description, FINISHED: False})

    def finish(self, outcome: Mapping[str, Any]) -> None:
        """Add to ``run.json`` how the run ended."""
        write_json(self._description, {**read_json(self._description), **outcome, FINISHED: True})

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do: trained to the end, or weights that were imported."""
        return bool(self.description().get(FINISHED, self.best.exists()))

    def stored_config(self) -> TrainConfig | None:
        """The settings that this run started with."""
        if not self._config.exists():
            return None
        return parse_config(TrainConfig, read_json(self._config), str(self._config))

    def description(self) -> dict[str, Any]:
        """What ``run.json`` says; empty before the first start."""
        return read_json(self._description) if self._description.exists() else {}

    def replace_last(self, write: Callable[[Path], None]) -> None:
        """Let ``write`` fill a new folder, then put it in the place of ``last/``."""
        fresh = self.path / ".last.next"
        write(fresh)
        replace_folder(fresh, self.last)
