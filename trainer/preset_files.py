"""The presets, TOML files by generator, as they are written: which there are, and what they name."""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from hero_core.choices import EVALUATOR, JOINT_EVALUATOR
from hero_core.errors import ConfigError
from trainer.choices import DEFAULT_GENERATOR

DEFAULT_PRESET = "paper"
_FOLDER = files("trainer") / "presets"


def presets(generator: str) -> list[str]:
    """Names of the presets of a generator."""
    folder = _FOLDER / generator
    return sorted(Path(file.name).stem for file in folder.iterdir()) if folder.is_dir() else []


def preset_of(generator: str, preset: str | None) -> str | None:
    """The preset that settings start from where ``preset`` was named, or none was.

    Raises:
        ConfigError: the generator has no such preset; lists those there are.
    """
    known = presets(generator)
    if preset is None:
        return DEFAULT_PRESET if DEFAULT_PRESET in known else None
    if preset not in known:
        raise ConfigError(f"{generator} has no preset {preset!r}; its presets: {', '.join(known) or 'none'}")
    return preset


def read_preset(generator: str, name: str) -> dict[str, Any]:
    """What the file of a preset states."""
    path = _FOLDER / generator / f"{name}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def parts_with_presets() -> dict[str, str]:
    """The parts that any preset says how to train, each with the first generator that has it; HERO comes first."""
    parts: dict[str, str] = {}
    for generator in sorted(_generators(), key=lambda name: (name != DEFAULT_GENERATOR, name)):
        for preset in presets(generator):
            for name, section in read_preset(generator, preset).items():
                if _is_trained(section) and name not in (EVALUATOR, JOINT_EVALUATOR):
                    parts.setdefault(name, generator)
    return parts


def _generators() -> list[str]:
    return [folder.name for folder in _FOLDER.iterdir() if folder.is_dir()]


def _is_trained(section: object) -> bool:
    return isinstance(section, dict) and "training" in section
