"""``RUN/{part}``: settings, description, log, checkpoints. A finished folder explains itself.

config.json         every setting, as given
run.json            what ran: versions, data, device, counts, identity; and how it ended
log.jsonl           losses and validation metrics
best.safetensors    checkpoint with the lowest validation metric
last.safetensors    newest checkpoint
state.safetensors   all that is needed to go on from there
diverged.safetensors  the same of a run that stopped because a loss was not finite, to look at
curves.png          what the log says, drawn when training ends
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hero_core.config import parse_config
from hero_core.errors import ConfigError, InputError
from hero_core.models.checkpoint import read_header
from hero_core.runs import checkpoint_path, generator_of
from hero_core.storage import atomic_folder, read_json, remove_partial_files, write_json
from trainer.choices import DEFAULT_GENERATOR
from trainer.config import TrainConfig, load_train_config, train_config_class, trainable
from trainer.preset_files import preset_of, presets

FINISHED = "finished"
STOPPED = "stopped"


class PartFolder:
    """Where one part of a run keeps its files."""

    def __init__(self, run: Path, name: str) -> None:
        self.name = name
        self.path = run / name
        self.best = checkpoint_path(run, name, "best")
        self.last = checkpoint_path(run, name, "last")
        self.state = self.path / "state.safetensors"
        self.diverged = self.path / "diverged.safetensors"
        self.log = self.path / "log.jsonl"
        self.curves = self.path / "curves.png"
        self.tensorboard = self.path / "tensorboard"
        self._config = self.path / "config.json"
        self.run_file = self.path / "run.json"

    def prepare(self, resume: bool) -> None:
        """Make sure that starting here destroys nothing.

        Raises:
            InputError: something is here already and ``resume`` was not asked for.
        """
        if not resume and self.path.exists() and any(self.path.iterdir()):
            raise InputError(
                f"{self.path}: holds a run already; go on with --resume, or choose another --out"
            )
        remove_partial_files(self.path)
        remove_partial_files(self.path.parent, spare_living=True)  # other parts may be trained now

    def describe(self, config: TrainConfig, description: Mapping[str, Any]) -> None:
        """Write ``config.json`` and ``run.json``."""
        write_json(self._config, config.model_dump(mode="json"))
        write_json(self.run_file, {**description, FINISHED: False})

    def note(self, **facts: Any) -> None:
        """Add to ``run.json``."""
        write_json(self.run_file, {**self.description(), **facts})

    def note_stop(self) -> None:
        """Write down that training was stopped, if it was begun and is not finished; going on removes that."""
        if self.run_file.exists() and not self.finished:
            self.note(**{STOPPED: True})

    @property
    def finished(self) -> bool:
        """Whether it was trained to the end, or is of weights that were imported."""
        return bool(self.description().get(FINISHED, self.best.exists()))

    @property
    def imported(self) -> bool:
        """Whether it is of weights that were not trained here, so that nothing is known of how they were."""
        return self.finished and "identity" not in self.description()

    def stored_config(self) -> TrainConfig | None:
        """The settings that this part was trained with."""
        if not self._config.exists():
            return None
        values = read_json(self._config)
        cls = train_config_class(values.get("generator", DEFAULT_GENERATOR))
        return parse_config(cls, values, str(self._config))

    def description(self) -> dict[str, Any]:
        """What ``run.json`` says; empty before the first start."""
        return read_json(self.run_file) if self.run_file.exists() else {}

    def best_so_far(self) -> dict[str, Any] | None:
        """``metric``, ``value`` and ``step`` of the best checkpoint; None before the first, and of imported weights."""
        best = self.description().get("best")
        if best is None and self.best.exists():
            best = read_header(self.best).get("metadata", {}).get("best")
        return best or None

    def copy_from(self, other: "PartFolder") -> None:
        """Become a copy of another run's part, which says so."""
        with atomic_folder(self.path) as fresh:
            shutil.copytree(
                other.path, fresh, dirs_exist_ok=True, ignore=shutil.ignore_patterns("tensorboard")
            )
            taken = {**other.description(), "taken_from": str(other.path.resolve()), FINISHED: True}
            write_json(fresh / self.run_file.name, taken)


def parts_of(run: Path) -> list[PartFolder]:
    """The folders of all parts of a run, also of those not begun, in training order.

    Raises:
        InputError: there is no run.
        ManifestError: it is of another version.
    """
    run = run.parent if (run / "log.jsonl").is_file() else run  # the folder of a part
    kind = generator_of(run)
    if kind is None:
        raise InputError(f"{run}: no run here; name the folder that hero-train was given as --out")
    return [PartFolder(run, name) for name in trainable(kind)]


def settings_for(
    name: str,
    out: Path,
    generator: str | None = None,
    preset: str | None = None,
    file: Path | None = None,
    overrides: Sequence[str] = (),
    parts_from: Path | None = None,
) -> tuple[TrainConfig, dict[str, Any]]:
    """Settings for a part of a run, and where they come from.

    Without a preset they start from those of the run, or of the run that parts are taken from, if there is one.

    Raises:
        ConfigError: the run is of another generator, or a setting is unknown or impossible.
        InputError: there is no run to take parts from.
    """
    kind = generator_of(out)
    if kind is not None and generator not in (None, kind):
        raise ConfigError(f"{out}: a run of {kind}, not of {generator}; choose another --out")
    if parts_from is not None and generator_of(parts_from) is None:
        raise InputError(f"{parts_from}: no run here to take parts from")
    generator = kind or generator
    origin = {"preset": None, "file": str(file.resolve()) if file else None, "overrides": list(overrides)}
    for run in filter(None, (out, parts_from)) if preset is None else ():
        for folder in _folders(run, name):
            stored = folder.stored_config()
            if stored is not None and generator in (None, stored.generator):
                before = folder.description().get("settings_from") or {}
                stored = _with_newer_parts(stored, before.get("preset"))
                config = load_train_config(generator, None, file, overrides, stored)
                lines = [*before.get("overrides", []), *overrides]
                return config, {**before, "overrides": lines, **({"file": origin["file"]} if file else {})}
    config = load_train_config(generator, preset, file, overrides)
    return config, {**origin, "preset": preset_of(config.generator, preset)}


def _with_newer_parts(stored: TrainConfig, preset: str | None) -> TrainConfig:
    """Settings of a run; of parts that its program did not know yet, those of the preset that it started from."""
    newer = [name for name in stored.names if name not in stored.model_fields_set]
    if not newer or preset not in presets(stored.generator):
        return stored
    now = load_train_config(stored.generator, preset)
    return stored.model_copy(update={name: now.section(name) for name in newer})


def _folders(run: Path, name: str) -> list[PartFolder]:
    """Of a run the part's folder, then those of the other parts; none where there is no run."""
    kind = generator_of(run)
    return [] if kind is None else [PartFolder(run, each) for each in (name, *trainable(kind))]
