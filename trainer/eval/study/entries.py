"""Lines of a table: what is trained, with which settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hero_core.errors import ConfigError
from hero_core.models.base import generator_names
from hero_core.models.checkpoint import Origin
from trainer.config import TrainConfig, load_train_config
from trainer.preset_files import presets

EVALUATION = "evaluation."
"""Begins the settings of how reactions are measured, where those of training are set too."""

ABLATIONS = {
    "none": "{model}",
    "no-iie": "{model} w/o IIE",
    "no-die": "{model} w/o DIE",
    "no-both": "{model} w/o both",
}
"""The values of the setting ``ablation``, and what a line of the paper's Table 2 is called."""


@dataclass(frozen=True)
class Entry:
    """A line of a table: a generator with its settings, trained over seeds.

    Attributes:
        name: of its folders.
        label: in the table.
        config: every setting; each training replaces the seed.
        settings_from: where they came from, for the record.
        starts: the weights of another run that parts start from, by name of the part; others start from fresh ones.
    """

    name: str
    label: str
    config: TrainConfig
    settings_from: Mapping[str, Any]
    starts: Mapping[str, Origin] = field(default_factory=dict)


def generators_with(preset: str) -> list[str]:
    """The generators that have a preset of this name."""
    return [name for name in generator_names() if preset in presets(name)]


def generator_entries(generators: Sequence[str], preset: str, overrides: Sequence[str]) -> list[Entry]:
    """One line for each generator.

    Args:
        generators: by name.
        preset: of each; a generator without presets has its defaults.
        overrides: ``key=value`` for all of them, ``GENERATOR:key=value`` for one.

    Raises:
        ConfigError: no such generator, preset or setting, or a generator is named twice.
    """
    if len(set(generators)) < len(generators):
        raise ConfigError(f"generators named twice: {', '.join(generators)}")
    refuse_strangers("--set", overrides, generators)
    return [_entry(name, name, name.upper(), preset, _of(name, overrides)) for name in generators]


def ablation_entries(generator: str, preset: str, overrides: Sequence[str]) -> list[Entry]:
    """The lines of the paper's Table 2: a generator with the setting ``ablation``, and without what that names.

    Raises:
        ConfigError: no such generator, preset or setting, or the generator has no ablations.
    """
    refuse_strangers("--set", overrides, [generator])
    lines = _of(generator, overrides)
    return [
        _entry(
            generator if ablation == "none" else f"{generator}-{ablation}",
            generator,
            label.format(model=generator.upper()),
            preset,
            [*lines, f"ablation={ablation}"],
        )
        for ablation, label in ABLATIONS.items()
    ]


def evaluation_settings(overrides: Sequence[str]) -> list[str]:
    """Of the overrides those of how reactions are measured."""
    return [line.removeprefix(EVALUATION) for line in overrides if line.startswith(EVALUATION)]


def training_settings(overrides: Sequence[str]) -> list[str]:
    """The other ones."""
    return [line for line in overrides if not line.startswith(EVALUATION)]


def refuse_strangers(option: str, lines: Sequence[str], generators: Sequence[str]) -> None:
    """Refuse lines of an option that are for a generator that is not among these.

    Raises:
        ConfigError: names whom.
    """
    if strangers := {addressed(line)[0] for line in lines} - {"", *generators}:
        raise ConfigError(f"{option} {', '.join(sorted(strangers))}: is not in this table")


def addressed(line: str) -> tuple[str, str]:
    """The generator that a line of an option is for, empty for all of them, and the line without it."""
    key, separator, value = line.partition("=")
    name, colon, setting = key.partition(":")
    return (name, f"{setting}{separator}{value}") if colon else ("", line)


def _entry(name: str, generator: str, label: str, preset: str, overrides: Sequence[str]) -> Entry:
    chosen = preset if presets(generator) else None
    config = load_train_config(generator, chosen, None, overrides)
    return Entry(name, label, config, {"preset": chosen, "file": None, "overrides": list(overrides)})


def _of(generator: str, overrides: Sequence[str]) -> list[str]:
    lines = [addressed(line) for line in overrides]
    return [setting for name, setting in lines if name in ("", generator)]
