"""From a plan to pictures."""

import math
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.minivimo.backdrop import draw_distractor, margin_pixels, paint_backdrop
from pipeline.minivimo.canvas import Canvas
from pipeline.minivimo.draw import draw_view
from pipeline.minivimo.far import far_view
from pipeline.minivimo.plan import ClipPlan
from pipeline.minivimo.scenes import view_at
from pipeline.minivimo.view import Point


def render_frames(
    plan: ClipPlan, times_seconds: Sequence[float] | np.ndarray | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Draw uint8 RGB frames (height, width, 3) of a clip at `times_seconds`, or all of them at its own rate.

    The same time always gives the same picture.
    """
    backdrop = paint_backdrop(plan.look, plan.width, plan.height)
    grain = _grain(plan)
    times = plan.frame_times_seconds if times_seconds is None else np.asarray(times_seconds, dtype=float)
    for time_seconds in times:
        yield _draw(plan, backdrop, grain, float(time_seconds))


def _draw(
    plan: ClipPlan, backdrop: NDArray[np.uint8], grain: NDArray[np.int16], time_seconds: float
) -> NDArray[np.uint8]:
    margin = margin_pixels(plan.height)
    shake = _shake(plan, time_seconds)
    top, left = margin - round(shake[1] * plan.height), margin - round(shake[0] * plan.height)
    frame = backdrop[top : top + plan.height, left : left + plan.width].copy()
    canvas = Canvas(frame, origin=shake)
    for thing in plan.look.distractors:
        draw_distractor(canvas, thing, plan.look.horizon, plan.look.light, time_seconds)
    if plan.far is not None:
        draw_view(canvas, far_view(plan.far, plan.look.horizon, plan.half_width, time_seconds), plan.look)
    draw_view(canvas, view_at(plan, time_seconds), plan.look)
    if plan.look.noise:
        row, column = _grain_corner(plan, time_seconds)
        cv2.add(
            frame, grain[row : row + plan.height, column : column + plan.width], dst=frame, dtype=cv2.CV_8U
        )
    return frame


def _shake(plan: ClipPlan, time_seconds: float) -> Point:
    """Camera offset in picture heights; stays within the backdrop's margin."""
    look = plan.look
    x, y = (
        look.shake
        * (math.sin(2 * math.pi * hz * time_seconds + phase) + 0.4 * math.sin(14.0 * hz * time_seconds))
        for hz, phase in zip(look.shake_hz, look.shake_phase, strict=True)
    )
    return x, y


def _grain(plan: ClipPlan) -> NDArray[np.int16]:
    """One sheet of sensor noise, (2 h, 2 w, 3) int16; every frame uses another part of it."""
    rng = np.random.default_rng(plan.look.backdrop_seed + 1)
    shape = (2 * plan.height, 2 * plan.width, 1)
    sheet = rng.normal(0, plan.look.noise, shape).astype(np.int16)
    return np.repeat(sheet, 3, axis=2)


def _grain_corner(plan: ClipPlan, time_seconds: float) -> tuple[int, int]:
    """A part of the noise sheet that looks random but depends on the time alone."""
    tick = round(time_seconds * 1000)
    return (tick * 7919) % (plan.height + 1), (tick * 6007) % (plan.width + 1)
