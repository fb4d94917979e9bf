"""Settings as TOML in which every one is explained, by what the docstring of its class says of it."""

import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from hero_core.config import Config

WIDTH = 110
_ENTRY = re.compile(r"(\w+(?:, \w+)*): (.*)")


def explained(config: Config) -> str:
    """All settings of ``config`` as TOML; what is unset is a comment."""
    return "\n".join(_lines(config, ())).strip() + "\n"


def descriptions(cls: type[Config]) -> dict[str, str]:
    """What the ``Attributes`` of a class and its bases say of each setting."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        found |= _attributes(inspect.cleandoc(base.__doc__ or "")) if issubclass(base, Config) else {}
    return found


def _lines(config: Config, path: tuple[str, ...]) -> Iterator[str]:
    values = {name: getattr(config, name) for name in type(config).model_fields}
    plain = {name: value for name, value in values.items() if not isinstance(value, Config)}
    if path and plain:
        yield f"[{'.'.join(path)}]"
    words = descriptions(type(config))
    for name, value in plain.items():
        yield from textwrap.wrap(words.get(name, ""), WIDTH, initial_indent="# ", subsequent_indent="# ")
        yield f"# {name} = (unset)" if value is None else f"{name} = {_toml(value)}"
    yield ""
    for name, value in values.items():
        if isinstance(value, Config):
            yield from _lines(value, (*path, name))


def _toml(value: Any) -> str:
    return json.dumps(value)  # of numbers, booleans, strings and lists of them TOML is a superset


def _attributes(docstring: str) -> dict[str, str]:
    _, _, section = docstring.partition("\nAttributes:\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        entry = (
            _ENTRY.fullmatch(line[4:]) if line.startswith("    ") and not line.startswith("     ") else None
        )
        if entry:
            names = entry[1].split(", ")
            found |= dict.fromkeys(names, entry[2])
        elif line.startswith("     "):
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
        elif line.strip():
            break
    return found
