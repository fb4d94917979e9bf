"""Settings: frozen, validated, refused when unknown; made once at the edge, saved beside what they made."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from hero_core.errors import ConfigError

ConfigT = TypeVar("ConfigT", bound="Config")


class Config(BaseModel):
    """Base of every settings object.

    ``official_values`` are the settings that reproduce a quirk of the official release, with the value that does so;
    ``of_weights``, of a model, those that its weights are bound to, while the others only say how they are trained.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    official_values: ClassVar[Mapping[str, Any]] = {}
    of_weights: ClassVar[frozenset[str]] = frozenset()

    def official_choices(self) -> dict[str, bool]:
        """Which quirks of the official release these settings reproduce."""
        return {name: bool(getattr(self, name) == value) for name, value in self.official_values.items()}


def parse_config(cls: type[ConfigT], values: Mapping[str, Any], origin: str) -> ConfigT:
    """Validate ``values`` as a ``cls``.

    Raises:
        ConfigError: naming every unknown or impossible setting and ``origin``, where they came from.
    """
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(_problem(cls, details) for details in error.errors())
        raise ConfigError(f"{origin}: {problems}") from None


def load_config(
    cls: type[ConfigT],
    path: Path | None,
    overrides: Sequence[str] = (),
    base: Mapping[str, Any] | None = None,
) -> ConfigT:
    """Settings from ``base`` (a preset), then a file, then ``section.key=value`` overrides.

    Raises:
        ConfigError: the file cannot be read, an override is malformed, or a setting is unknown.
    """
    values = merged(base or {}, read_settings(path, overrides))
    return parse_config(cls, values, str(path) if path else "settings")


def read_settings(path: Path | None, overrides: Sequence[str]) -> dict[str, Any]:
    """A file, TOML or the ``config.json`` of a run's part, and overrides on top of it; not yet validated.

    Raises:
        ConfigError: the file is missing, or not the TOML or JSON that its name says; or an override is malformed.
    """
    values = {} if path is None else _read_file(path)
    for override in overrides:
        values = merged(values, _parse_override(override))
    return values


def merged(base: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with the values of ``update`` in place of its own, section by section."""
    result = dict(base)
    for key, value in update.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            value = merged(old, value)
        result[key] = value
    return result


def _problem(cls: type[BaseModel], details: Mapping[str, Any]) -> str:
    setting = ".".join(map(str, details["loc"])) or "settings"
    if details["type"] != "extra_forbidden":
        return f"{setting}: {details['msg']}"
    *path, name = map(str, details["loc"])
    known = list(_section(cls, path).model_fields)
    nearest = get_close_matches(name, known, n=1)
    hint = f"; did you mean {'.'.join([*path, nearest[0]])}?" if nearest else ""
    return f"{setting}: no such setting{hint} (known: {', '.join(known)})"


def _section(cls: type[BaseModel], path: Sequence[str]) -> type[BaseModel]:
    for name in path:
        section = cls.model_fields[name].annotation
        if not (isinstance(section, type) and issubclass(section, BaseModel)):
            break
        cls = section
    return cls


def _read_file(path: Path) -> dict[str, Any]:
    is_json = path.suffix == ".json"
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if is_json else tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such settings file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # of either format, and of bytes that are not UTF-8
        raise ConfigError(f"{path}: not valid {'JSON' if is_json else 'TOML'}: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected settings by name, found a {type(values).__name__}")
    return values


def _parse_override(override: str) -> dict[str, Any]:
    dotted, separator, text = override.partition("=")
    if not separator or not dotted.strip():
        raise ConfigError(f"--set {override!r}: write it as key=value, e.g. --set masked.layers=4")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string
    for name in reversed(dotted.strip().split(".")):
        value = {name: value}
    return dict(value)
