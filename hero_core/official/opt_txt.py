"""The official release's ``opt.txt``: the options of a training run, one ``key: value`` a line."""

import ast
import re
from pathlib import Path
from typing import TypeAlias

from hero_core.errors import InputError

OptionValue: TypeAlias = bool | int | float | str | list[int | float | str] | None
Options: TypeAlias = dict[str, OptionValue]

_DASHED_LINE = re.compile(r"-{2,}.*-{2,}")
_WORDS: dict[str, OptionValue] = {"True": True, "False": False, "None": None}
_INTEGER = re.compile(r"[+-]?\d+")
_REAL = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?")


def read_opt_txt(path: Path) -> Options:
    """Read an official ``opt.txt``.

    Raises:
        InputError: the file is missing, not text, or not in the format of :func:`parse_opt_txt`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such options file; it belongs beside model/") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text: {error}") from None
    return parse_opt_txt(text, str(path))


def parse_opt_txt(text: str, origin: str) -> Options:
    """Options between the two dashed lines of ``text``, each as its real type.

    The official parser keeps ``None``, lists and ``1e-05`` as strings, and fails on a value that contains
    ``': '``; this one does not.

    Raises:
        InputError: naming ``origin`` and the line: a dashed line is missing, a line is not ``key: value``,
            or an option appears twice.
    """
    lines = text.splitlines()
    fences = [number for number, line in enumerate(lines) if _DASHED_LINE.fullmatch(line.strip())]
    if len(fences) < 2:
        raise InputError(f"{origin}: not an options file: expected options between two dashed lines")
    options: Options = {}
    for number in range(fences[0] + 1, fences[-1]):
        if not lines[number].strip():
            continue
        key, separator, value = lines[number].partition(":")
        key = key.strip()
        if not separator or not key:
            raise InputError(f"{origin}, line {number + 1}: expected 'key: value', found {lines[number]!r}")
        if key in options:
            raise InputError(f"{origin}, line {number + 1}: option {key} appears twice")
        options[key] = _parse_value(value.strip())
    return options


def require_option(options: Options, name: str, path: Path) -> OptionValue:
    """``options[name]``.

    Raises:
        InputError: the options read from ``path`` do not state ``name``.
    """
    if name not in options:
        raise InputError(f"{path}: option {name} is missing; is this the opt.txt of this kind of model?")
    return options[name]


def _parse_value(text: str) -> OptionValue:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _REAL.fullmatch(text):
        return float(text)
    if text.startswith("[") and text.endswith("]"):
        return _parse_list(text)
    return text


def _parse_list(text: str) -> OptionValue:
    try:
        values = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text  # brackets in a name or a path
    plain = isinstance(values, list) and all(isinstance(value, int | float | str) for value in values)
    return values if plain else text
