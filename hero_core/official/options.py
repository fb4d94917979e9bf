"""The official release's ``opt.txt``: the options of a training run, one ``key: value`` per line."""

import ast
from pathlib import Path
from typing import TypeAlias

from hero_core.errors import InputError

OptionValue: TypeAlias = bool | int | float | str | list[object] | None
Options: TypeAlias = dict[str, OptionValue]

OPTIONS_FILE = "opt.txt"


def read_options(path: Path) -> Options:
    """The options between the two dashed lines of an ``opt.txt``, each as its real type.

    The official parser keeps ``None``, lists and ``1e-05`` as strings, and fails on a value that contains
    ``': '``; this one does not.

    Raises:
        InputError: the file is missing or not text, a dashed line is missing, a line is not ``key: value``, or an
            option appears twice.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        raise InputError(f"{path}: no such options file; it belongs beside model/") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text: {error}") from None
    fences = [number for number, line in enumerate(lines) if line.startswith("--") and line.endswith("--")]
    if len(fences) < 2:
        raise InputError(f"{path}: not an options file: expected options between two dashed lines")
    options: Options = {}
    for number in range(fences[0] + 1, fences[-1]):
        key, colon, value = (part.strip() for part in lines[number].partition(":"))
        if not lines[number]:
            continue
        if not (key and colon):
            raise InputError(f"{path}, line {number + 1}: expected 'key: value', found {lines[number]!r}")
        if key in options:
            raise InputError(f"{path}, line {number + 1}: option {key} appears twice")
        options[key] = _parse(value)
    return options


def require_option(options: Options, name: str, path: Path) -> OptionValue:
    """``options[name]``.

    Raises:
        InputError: the options read from ``path`` do not state ``name``.
    """
    if name not in options:
        raise InputError(f"{path}: option {name} is missing; is this the opt.txt of this kind of model?")
    return options[name]


def _parse(text: str) -> OptionValue:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError):
        return text  # a name or a path
    return value if value is None or isinstance(value, int | float | list) else text
