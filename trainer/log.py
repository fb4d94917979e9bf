"""``log.jsonl``: one JSON object per logging step. TensorBoard, if set, shows the same numbers."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from hero_core.errors import ConfigError, InputError
from hero_core.storage import write_text

Phase = Literal["train", "validation"]

_WORDS = {"total": "loss", "lr": "learning rate"}


class TrainingLog:
    """Appends to ``log.jsonl``. A resumed run first drops what lies behind the step it resumes from."""

    def __init__(self, path: Path, start_step: int, tensorboard: Path | None = None) -> None:
        """Open the log of a run that is at ``start_step``; ``tensorboard`` is the folder for event files.

        Raises:
            ConfigError: TensorBoard is set and is not installed.
        """
        self._path = path
        kept = [line for line in read_log(path) if line["step"] <= start_step]
        write_text(path, "".join(_text(line) for line in kept))
        self._board = _open_tensorboard(tensorboard, start_step) if tensorboard else None

    def write(self, phase: Phase, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Append one line."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_text({"phase": phase, "step": step, "epoch": epoch, **values}))
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{phase}/{name}", value, step)

    def close(self) -> None:
        """Flush what TensorBoard holds back."""
        if self._board is not None:
            self._board.close()


def read_log(path: Path) -> list[dict[str, Any]]:
    """All whole lines of a log; a line without its end is being written, or was cut off by a kill.

    Raises:
        InputError: a line is not what :class:`TrainingLog` writes.
    """
    if not path.exists():
        return []
    *whole, _ = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return [_parsed(text, f"{path}, line {number}") for number, text in enumerate(whole, start=1)]


def in_words(name: str) -> str:
    """What people call a quantity of the log."""
    return _WORDS.get(name, name.replace("_", " "))


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        line: dict[str, Any] = json.loads(text)
        if {"phase", "step"} <= line.keys():
            return line
    except (ValueError, AttributeError):
        pass
    raise InputError(f"{where}: damaged, {text[:40]!r}; remove this line to go on without it")


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(values, allow_nan=False) + "\n"


def _open_tensorboard(folder: Path, start_step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigError(
            "tensorboard = true, but it is not installed: pip install 'hero-motion[tensorboard]'"
        ) from None
    return SummaryWriter(str(folder), purge_step=start_step + 1)
