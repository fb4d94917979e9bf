"""Settings: frozen, validated, refused when unknown; made once at the edge, saved beside what they made."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from hero_core.errors import ConfigError

ConfigT = TypeVar("ConfigT", bound="Config")


class Config(BaseModel):
    """Base of every settings object."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def parse_config(cls: type[ConfigT], values: Mapping[str, Any], origin: str) -> ConfigT:
    """Validate ``values`` as a ``cls``.

    Raises:
        ConfigError: naming every unknown or impossible setting and ``origin``, where they came from.
    """
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
        )
        known = ", ".join(cls.model_fields)
        raise ConfigError(f"{origin}: {problems} (known settings of {cls.__name__}: {known})") from None


def load_config(
    cls: type[ConfigT],
    toml_path: Path | None,
    overrides: Sequence[str] = (),
    base: Mapping[str, Any] | None = None,
) -> ConfigT:
    """Settings from ``base`` (a preset), then a TOML file, then ``section.key=value`` overrides.

    Raises:
        ConfigError: the file is missing or not TOML, an override is malformed, or a setting is unknown.
    """
    values: dict[str, Any] = _merge({}, base or {})
    if toml_path is not None:
        values = _merge(values, _read_toml(toml_path))
    for override in overrides:
        values = _merge(values, _parse_override(override))
    return parse_config(cls, values, str(toml_path) if toml_path else "settings")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such settings file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


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


def _merge(base: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in update.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged
