"""Curves over training steps, a panel for each quantity. Pure drawing on RGB arrays; equal numbers, equal pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from hero_core.view.axes import Axis, exact_axis, linear_axis, log_axis, short
from hero_core.view.figure import START, Array, Colour
from hero_core.view.page import EMPTY, LABEL, MARGIN, PAGE, TITLE, put_picture, put_text, text_width
from hero_core.view.render import BACKGROUND, FAINT, INK, Frame, mix

_WIDTH, _HEIGHT = 400, 250  # of a panel
_GAP = 16
_HEADER = 78
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 24, 44, 34  # around the plot of a panel
_SUPERSAMPLING = 2
_SUBPIXEL_BITS = 4
_SMALL = 0.38
_TICKS = 6
_FALLS = 10.0
_FEW, _MANY = 25, 100  # points: up to so many are shown as dots too, more than so many are smoothed


@dataclass(frozen=True)
class Curve:
    """One quantity over training: ``steps`` that rise, and as many ``values``, at least one.

    One that is ``measured``, not set like a learning rate, is noisy: many values are drawn pale, and their running mean
    over them.
    """

    name: str
    colour: Colour
    steps: Sequence[int]
    values: Sequence[float]
    measured: bool = True


@dataclass(frozen=True)
class Panel:
    """Curves of one quantity, and a point of them to mark, ``(step, value)``."""

    title: str
    curves: Sequence[Curve]
    point: tuple[int, float] | None = None


def draw_chart(title: str, subtitle: str, panels: Sequence[Panel], marked_step: int | None) -> Frame:
    """A page with all panels, at least one; ``marked_step``, the best one, is a line through each of them."""
    columns = 2 if len(panels) <= 4 else 3
    rows = -(-len(panels) // columns)
    width = 2 * MARGIN + columns * _WIDTH + (columns - 1) * _GAP
    height = _HEADER + rows * _HEIGHT + (rows - 1) * _GAP + MARGIN
    page = np.full((height, width, 3), PAGE, np.uint8)
    put_text(page, title, MARGIN, 36, TITLE, INK, bold=True)
    put_text(page, subtitle, MARGIN, 60, LABEL, FAINT)
    _put_legend(page, panels, marked_step, width - MARGIN)
    last = max(max(curve.steps) for panel in panels for curve in panel.curves)
    steps = exact_axis(0, last, _TICKS - 1)
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        x, y = MARGIN + column * (_WIDTH + _GAP), _HEADER + row * (_HEIGHT + _GAP)
        put_picture(page, _draw_panel(panel, steps, marked_step), x, y)
    return page


def png(page: Frame) -> bytes:
    """A page as the bytes of a PNG file."""
    _, data = cv2.imencode(".png", cv2.cvtColor(page, cv2.COLOR_RGB2BGR))
    return data.tobytes()


def value_axis(panel: Panel) -> Axis:
    """Logarithmic where what is measured falls to a tenth: its later part would else lie on the floor of its panel."""
    values = np.concatenate([np.asarray(curve.values, np.float64) for curve in panel.curves])
    low, high = float(values.min()), float(values.max())
    falls = any(curve.measured and _falls(np.asarray(curve.values, np.float64)) for curve in panel.curves)
    return (log_axis if low > 0 and falls else linear_axis)(low, high, _TICKS)


def _falls(values: Array) -> bool:
    few = max(1, len(values) // 20)
    return float(values[:few].max()) >= _FALLS * float(np.median(values[-few:]))


class _Canvas:
    """The card of one panel, drawn larger than it will be; places are shares of its plot, from lower left."""

    def __init__(self) -> None:
        size = _HEIGHT * _SUPERSAMPLING, _WIDTH * _SUPERSAMPLING, 3
        self._pixels: Frame = np.full(size, BACKGROUND, np.uint8)

    def text(self, words: str, x: float, y: float, scale: float, colour: Colour, align: float = 0.0) -> float:
        """Write on the line at pixel ``y``; ``align`` of the words is left of pixel ``x``. Returns where they begin."""
        large = scale * _SUPERSAMPLING
        left = x - align * text_width(words, large, bold=True) / _SUPERSAMPLING
        place = round(left * _SUPERSAMPLING), round(y * _SUPERSAMPLING)
        put_text(self._pixels, words, *place, large, colour, bold=True)
        return left

    def line(self, points: Array, colour: Colour, width: float) -> None:
        """A line through points (n, 2)."""
        fixed = [self._fixed(points)]
        thick = max(1, round(width * _SUPERSAMPLING))
        cv2.polylines(self._pixels, fixed, False, colour, thick, cv2.LINE_AA, _SUBPIXEL_BITS)

    def dashes(self, x: float, colour: Colour) -> None:
        """An upright line of dashes."""
        for low in np.arange(0, 1, 0.05):
            self.line(np.array([[x, low], [x, min(low + 0.028, 1.0)]]), colour, 1.0)

    def dots(self, points: Array, colour: Colour, radius: float) -> None:
        """Filled circles at points (n, 2)."""
        scale = _SUPERSAMPLING * 2**_SUBPIXEL_BITS
        for x, y in self._fixed(points).tolist():
            size = round(radius * scale)
            cv2.circle(self._pixels, (x, y), size, colour, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS)

    def finished(self) -> Frame:
        """The card in its own size."""
        return np.asarray(cv2.resize(self._pixels, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)

    def _fixed(self, points: Array) -> NDArray[np.int32]:
        return np.asarray(np.round(_to_pixels(points) * _SUPERSAMPLING * 2**_SUBPIXEL_BITS), np.int32)


def _to_pixels(points: Array) -> Array:
    """Pixels of a panel (n, 2) of shares of its plot."""
    spans = np.array([_WIDTH - _LEFT - _RIGHT, -(_HEIGHT - _TOP - _BOTTOM)])
    return np.asarray(np.array([_LEFT, _HEIGHT - _BOTTOM]) + points * spans)


def _draw_panel(panel: Panel, steps: Axis, marked_step: int | None) -> Frame:
    canvas, values = _Canvas(), value_axis(panel)
    _draw_axes(canvas, steps, values)
    canvas.text(panel.title + (" (log scale)" if values.logarithmic else ""), 16, 25, LABEL, INK)
    if marked_step is not None:
        canvas.dashes(float(steps.share(marked_step)), START)
    for curve in panel.curves:
        _draw_curve(canvas, curve, steps, values)
    x = float(_WIDTH - _RIGHT)
    for curve in reversed(panel.curves):  # their newest values
        x = canvas.text(short(curve.values[-1]), x, 25, _SMALL, curve.colour, align=1.0) - 10
    if panel.point is not None:
        step, value = panel.point
        place = np.stack([steps.share([step]), values.share([value])], axis=-1)
        canvas.dots(place, BACKGROUND, 6.5)
        canvas.dots(place, START, 5)
    return canvas.finished()


def _draw_axes(canvas: _Canvas, steps: Axis, values: Axis) -> None:
    for share, label in zip(values.share(values.ticks), values.labels(), strict=True):
        canvas.line(np.array([[0.0, share], [1.0, share]]), EMPTY, 1.0)
        _, y = _to_pixels(np.array([0.0, share]))
        canvas.text(label, _LEFT - 8, y + 4, _SMALL, FAINT, align=1.0)
    canvas.text("step", _LEFT - 8, _HEIGHT - _BOTTOM + 20, _SMALL, FAINT, align=1.0)
    for share, label in zip(steps.share(steps.ticks), steps.labels(), strict=True):
        x, y = _to_pixels(np.array([share, 0.0]))
        canvas.line(np.array([[share, 0.0], [share, -0.025]]), FAINT, 1.0)
        canvas.text(label, x, y + 20, _SMALL, FAINT, align=0.5)
    canvas.line(np.array([[0.0, 0.0], [1.0, 0.0]]), FAINT, 1.0)


def _draw_curve(canvas: _Canvas, curve: Curve, steps: Axis, values: Axis) -> None:
    points = np.stack([steps.share(curve.steps), values.share(curve.values)], axis=-1)  # (n, 2)
    if curve.measured and len(points) > _MANY:
        canvas.line(points, mix(curve.colour, BACKGROUND, 0.65), 1.0)
        points[:, 1] = gaussian_filter1d(points[:, 1], len(points) / _MANY, mode="reflect")
    canvas.line(points, curve.colour, 1.8)
    if len(points) <= _FEW:
        canvas.dots(points, curve.colour, 2.6)


def _put_legend(page: Frame, panels: Sequence[Panel], marked_step: int | None, right: int) -> None:
    """Names of all curves and of the mark, in their colours, ending at ``right``."""
    names: dict[str, Any] = {curve.name: curve.colour for panel in panels for curve in panel.curves}
    if marked_step is not None:
        names["best"] = START
    x = right
    for name, colour in reversed(names.items()):
        x -= text_width(name, LABEL)
        put_text(page, name, x, 36, LABEL)
        cv2.line(page, (x - 26, 31), (x - 8, 31), colour, 3, cv2.LINE_AA)
        x -= 44
