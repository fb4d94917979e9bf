"""What stands behind: painted once per clip, a little larger than the picture so that the camera can shake."""

import math

import cv2
import numpy as np

from pipeline.minivimo.canvas import Canvas, mix, shade
from pipeline.minivimo.look import Colour, Distractor, Look

MARGIN = 0.05  # of the picture height, on every side

_WALLS: tuple[Colour, ...] = ((226, 214, 196), (196, 210, 216), (216, 200, 206), (204, 214, 190))


def paint_backdrop(look: Look, width: int, height: int) -> np.ndarray:
    """(height + 2 m, width + 2 m, 3) uint8 RGB, with m = MARGIN * height pixels around the picture."""
    margin = margin_pixels(height)
    full_height, full_width = height + 2 * margin, width + 2 * margin
    rng = np.random.default_rng(look.backdrop_seed)
    image = np.zeros((full_height, full_width, 3), np.uint8)
    canvas = Canvas(image)
    horizon = (look.horizon * height + margin) / full_height
    painter = {"gradient": _gradient, "room": _room, "street": _street, "park": _park}[look.backdrop]
    painter(canvas, look, horizon, rng)
    texture = _texture(rng, full_height, full_width, strength=7.0)
    lit = np.clip((image + texture) * look.light, 0, 255)
    return np.asarray(lit, dtype=np.uint8)


def margin_pixels(height: int) -> int:
    """Width of the border around the picture, in pixels."""
    return math.ceil(MARGIN * height)


def draw_distractor(
    canvas: Canvas, thing: Distractor, horizon: float, light: float, time_seconds: float
) -> None:
    """Draws a drifting thing that means nothing."""
    x = thing.x + thing.speed_x * time_seconds
    y = thing.y + thing.speed_y * time_seconds
    colour = shade(thing.colour, 0.4 + 0.6 * light)
    if thing.kind == "leaf":
        canvas.ellipse((x, y), (0.022, 0.009), colour, angle=140 * time_seconds * thing.size)
    elif thing.kind == "balloon":
        canvas.line([(x, y), (x + 0.006, y + 0.09)], 0.004, (90, 90, 90))
        canvas.ellipse((x, y), (0.026 * thing.size, 0.034 * thing.size), colour)
    elif thing.kind == "cloud":
        for dx, radius in ((-0.05, 0.022), (0.0, 0.034), (0.05, 0.024)):
            canvas.ellipse((x + dx * thing.size, y), (radius * 1.6, radius), shade((236, 238, 242), light))
    else:
        _far_walker(canvas, x, horizon, colour, 6 * time_seconds)


def _far_walker(canvas: Canvas, x: float, horizon: float, colour: Colour, phase: float) -> None:
    foot, hip, neck = horizon + 0.10, horizon + 0.055, horizon + 0.012
    for swing in (math.sin(phase), -math.sin(phase)):
        canvas.line([(x, hip), (x + 0.016 * swing, foot)], 0.010, shade(colour, 0.6))
    canvas.line([(x, hip), (x, neck)], 0.022, colour)
    canvas.disc((x, neck - 0.014), 0.012, (196, 156, 126))


def _gradient(canvas: Canvas, look: Look, horizon: float, rng: np.random.Generator) -> None:
    del horizon, rng
    _vertical(canvas.image, 0.0, 1.0, shade(look.sky, 1.1), look.ground)


def _room(canvas: Canvas, look: Look, horizon: float, rng: np.random.Generator) -> None:
    w = canvas.half_width
    wall = _WALLS[int(rng.integers(len(_WALLS)))]
    edge = horizon + 0.16
    canvas.box((-w, 0), (w, edge), wall)
    canvas.box((-w, edge), (w, 1), mix((150, 112, 78), look.ground, 0.4))
    for k in range(-6, 7):  # floor boards run to the vanishing point
        canvas.line([(0.16 * k, edge), (0.55 * k, 1)], 0.004, (120, 90, 66))
    canvas.box((-w, edge - 0.025), (w, edge), shade(wall, 0.8))
    x = float(rng.uniform(-0.8, 0.3)) * w
    canvas.box((x - 0.02, 0.08), (x + 0.30, 0.36), shade(wall, 0.6))  # a window
    canvas.box((x, 0.10), (x + 0.28, 0.34), look.sky)
    canvas.line([(x + 0.14, 0.10), (x + 0.14, 0.34)], 0.012, shade(wall, 0.6))
    x = float(rng.uniform(0.3, 0.8)) * w
    canvas.box((x, 0.14), (x + 0.14, 0.30), look.trousers)  # a picture
    canvas.box((x + 0.015, 0.155), (x + 0.125, 0.285), mix(look.accent, wall, 0.5))


def _street(canvas: Canvas, look: Look, horizon: float, rng: np.random.Generator) -> None:
    w = canvas.half_width
    _vertical(canvas.image, 0.0, horizon, look.sky, shade(look.sky, 1.15))
    canvas.box((-w, horizon), (w, 1), look.ground)
    x = -w
    while x < w:
        width, top = float(rng.uniform(0.14, 0.3)), float(rng.uniform(0.04, 0.28))
        colour = shade(_WALLS[int(rng.integers(len(_WALLS)))], float(rng.uniform(0.6, 0.85)))
        canvas.box((x, top), (x + width, horizon + 0.03), colour)
        for row in np.arange(top + 0.04, horizon - 0.03, 0.07):
            for column in np.arange(x + 0.03, x + width - 0.03, 0.06):
                canvas.box((column, row), (column + 0.026, row + 0.036), shade(colour, 0.62))
        x += width
    canvas.polygon([(-0.12, horizon + 0.03), (0.12, horizon + 0.03), (1.1, 1), (-1.1, 1)], (112, 114, 118))
    for near, far in ((0.98, 0.84), (0.76, 0.67), (0.62, 0.57), (0.53, 0.51)):
        a, b = 0.022 * (near - horizon) / 0.5, 0.022 * (far - horizon) / 0.5
        canvas.polygon([(-a, near), (a, near), (b, far), (-b, far)], (206, 206, 198))


def _park(canvas: Canvas, look: Look, horizon: float, rng: np.random.Generator) -> None:
    w = canvas.half_width
    grass = mix((118, 158, 92), look.ground, 0.3)
    _vertical(canvas.image, 0.0, horizon, look.sky, shade(look.sky, 1.18))
    for _ in range(3):
        centre = (float(rng.uniform(-w, w)), horizon + 0.08)
        canvas.ellipse(centre, (0.5, float(rng.uniform(0.12, 0.2))), shade(grass, 0.85))
    _vertical(canvas.image, horizon, 1.0, shade(grass, 0.9), shade(grass, 1.1))
    for _ in range(5):
        x, size = float(rng.uniform(-w, w)), float(rng.uniform(0.08, 0.16))
        canvas.line([(x, horizon + 0.04), (x, horizon - 0.06)], 0.022, (104, 80, 60))
        canvas.ellipse(
            (x, horizon - 0.06 - size * 0.6), (size * 0.7, size), shade(grass, float(rng.uniform(0.6, 0.8)))
        )


def _vertical(image: np.ndarray, top: float, bottom: float, upper: Colour, lower: Colour) -> None:
    """Fills the rows between two heights with a vertical gradient."""
    first, last = round(top * image.shape[0]), round(bottom * image.shape[0])
    share = np.linspace(0, 1, max(last - first, 1))[:, None]
    rows = (1 - share) * np.array(upper) + share * np.array(lower)  # (rows, 3)
    image[first:last] = np.clip(rows, 0, 255).astype(np.uint8)[:, None]


def _texture(rng: np.random.Generator, height: int, width: int, strength: float) -> np.ndarray:
    """(h, w, 1) soft blotches and fine grain."""
    blotches = rng.normal(0, strength, (height // 12 + 2, width // 12 + 2)).astype(np.float32)
    grain = rng.normal(0, strength / 2, (height, width)).astype(np.float32)
    return np.asarray(cv2.resize(blotches, (width, height), interpolation=cv2.INTER_CUBIC) + grain)[..., None]
