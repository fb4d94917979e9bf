"""``curves.png`` of a part: its log, drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hero_core.errors import ConfigError
from hero_core.storage import write_bytes
from trainer.folder import PartFolder
from trainer.log import in_words, read_log

_ALWAYS = ("total", "accuracy", "gradient_norm", "lr")
"""Of the training lines; all else is drawn if validation measures it too, so that nothing of the machine's speed is."""


def draw_curves(folder: PartFolder) -> Path | None:
    """Draw what was logged so far into ``curves.png``; None if nothing was. Equal logs give equal bytes.

    Raises:
        ConfigError: OpenCV is not installed.
        InputError: the log is damaged.
    """
    lines = read_log(folder.log)
    names = quantities(lines)
    if not names:
        return None
    try:
        from hero_core.view.chart import Curve, Panel, draw_chart, png  # training itself needs no OpenCV
        from hero_core.view.figure import LEFT, RIGHT
    except ImportError:
        raise ConfigError(
            f"{folder.curves}: not drawn, OpenCV is missing: pip install opencv-python-headless"
        ) from None
    best = folder.best_so_far()
    panels = []
    for name in names:
        curves = []
        for phase, words, colour in (("train", "training", LEFT), ("validation", "validation", RIGHT)):
            steps, values = series(lines, phase, name)
            if steps:
                curves.append(Curve(words, colour, steps, values, measured=name != "lr"))
        marked = best is not None and best["metric"] == name
        panels.append(
            Panel(in_words(name), curves, (best["step"], best["value"]) if best and marked else None)
        )
    chart = draw_chart(folder.name, _subtitle(lines, best), panels, best["step"] if best else None)
    write_bytes(folder.curves, png(chart))
    return folder.curves


def quantities(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of what a log has to show: the loss first, then what validation measures, the learning rate last."""
    logged = {name for line in lines for name, value in line.items() if isinstance(value, int | float)}
    validated = [name for line in lines if line["phase"] == "validation" for name in line]
    shown = dict.fromkeys(name for name in (_ALWAYS[0], *validated, *_ALWAYS) if name in logged)
    return [name for name in shown if name not in ("step", "epoch")]


def series(lines: Sequence[Mapping[str, Any]], phase: str, name: str) -> tuple[list[int], list[float]]:
    """Steps and values of one quantity in a log."""
    found = [
        (line["step"], float(line[name]))
        for line in lines
        if line["phase"] == phase and isinstance(line.get(name), int | float)
    ]
    return [step for step, _ in found], [value for _, value in found]


def _subtitle(lines: Sequence[Mapping[str, Any]], best: Mapping[str, Any] | None) -> str:
    newest = f"step {lines[-1]['step']}, epoch {lines[-1]['epoch']}"
    if best is None:
        return newest
    return f"{newest}; best {in_words(best['metric'])} {best['value']:.4g} at step {best['step']}"
