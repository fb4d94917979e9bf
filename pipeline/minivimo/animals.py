"""A dog, a lion and a bird, seen from the front."""

import math

from pipeline.minivimo.canvas import Canvas, shade
from pipeline.minivimo.look import Colour
from pipeline.minivimo.view import Point

_DARK: Colour = (34, 28, 26)
_TONGUE: Colour = (226, 110, 118)


def draw_dog(
    canvas: Canvas, feet: Point, size: float, coat: Colour, time_seconds: float, trot: float
) -> None:
    """A friendly dog that faces the camera; `size` is its height, `trot` 0..1 how much it runs."""
    x, y = feet

    def at(dx: float, dy: float) -> Point:
        return x + dx * size, y - dy * size

    wag = math.sin(2 * math.pi * 3.0 * time_seconds)
    step = trot * math.sin(2 * math.pi * 2.6 * time_seconds)
    canvas.ellipse(at(0, 0.0), (0.38 * size, 0.06 * size), (70, 70, 66))
    canvas.line([at(0.05, 0.50), at(0.2 * wag, 0.82), at(0.3 * wag, 0.92)], 0.08 * size, shade(coat, 0.8))
    for dx, lift in ((-0.2, step), (0.2, -step)):  # hind legs
        canvas.line([at(dx, 0.3), at(dx, 0.05 + 0.07 * max(lift, 0))], 0.13 * size, shade(coat, 0.7))
    canvas.ellipse(at(0, 0.40), (0.27 * size, 0.26 * size), shade(coat, 0.88))
    for dx, lift in ((-0.12, -step), (0.12, step)):  # front legs
        foot = at(dx, 0.05 + 0.07 * max(lift, 0))
        canvas.line([at(dx, 0.34), foot], 0.12 * size, coat)
        canvas.ellipse(foot, (0.09 * size, 0.06 * size), shade(coat, 1.25))
    canvas.ellipse(at(0, 0.38), (0.12 * size, 0.18 * size), shade(coat, 1.3))
    _dog_head(canvas, at(0, 0.74), 0.25 * size, coat)


def _dog_head(canvas: Canvas, centre: Point, r: float, coat: Colour) -> None:
    x, y = centre
    canvas.disc(centre, r, coat)
    for sign in (-1, 1):  # hanging ears
        canvas.ellipse(
            (x + sign * 0.95 * r, y + 0.1 * r), (0.3 * r, 0.7 * r), shade(coat, 0.6), angle=-sign * 14
        )
        canvas.disc((x + sign * 0.4 * r, y - 0.15 * r), 0.15 * r, _DARK)
        canvas.disc((x + sign * 0.36 * r, y - 0.2 * r), 0.05 * r, (250, 250, 250))
    canvas.ellipse((x, y + 0.75 * r), (0.2 * r, 0.36 * r), _TONGUE)
    canvas.ellipse((x, y + 0.4 * r), (0.5 * r, 0.38 * r), shade(coat, 1.35))
    canvas.ellipse((x, y + 0.2 * r), (0.22 * r, 0.15 * r), _DARK)


def draw_lion(canvas: Canvas, feet: Point, size: float, roar: float, time_seconds: float) -> None:
    """A lion that runs at the camera; `roar` 0..1 opens its mouth."""
    x, y = feet
    coat: Colour = (222, 172, 92)
    mane: Colour = (140, 78, 34)

    def at(dx: float, dy: float) -> Point:
        return x + dx * size, y - dy * size

    bound = math.sin(2 * math.pi * 2.2 * time_seconds)
    canvas.ellipse(at(0, 0.0), (0.45 * size, 0.05 * size), (70, 66, 60))
    canvas.ellipse(at(0, 0.36), (0.30 * size, 0.26 * size), shade(coat, 0.8))
    for sign in (-1, 1):
        foot = at(sign * 0.22, 0.06 + 0.06 * max(sign * bound, 0))
        canvas.line([at(sign * 0.2, 0.36), foot], 0.14 * size, coat)
        canvas.ellipse(foot, (0.11 * size, 0.07 * size), shade(coat, 1.1))
    head, r = at(0, 0.62), 0.26 * size
    for k in range(14):  # mane
        angle = 2 * math.pi * k / 14
        tuft = (head[0] + 1.2 * r * math.cos(angle), head[1] + 1.2 * r * math.sin(angle))
        canvas.disc(tuft, 0.42 * r, shade(mane, 0.85 + 0.3 * (k % 2)))
    canvas.disc(head, 1.2 * r, mane)
    _lion_face(canvas, head, r, coat, roar)


def _lion_face(canvas: Canvas, centre: Point, r: float, coat: Colour, roar: float) -> None:
    x, y = centre
    canvas.disc(centre, r, coat)
    for sign in (-1, 1):
        canvas.disc((x + sign * 0.75 * r, y - 0.75 * r), 0.26 * r, coat)
        canvas.ellipse((x + sign * 0.4 * r, y - 0.2 * r), (0.2 * r, 0.13 * r), (250, 226, 90))
        canvas.disc((x + sign * 0.38 * r, y - 0.2 * r), 0.09 * r, _DARK)
        canvas.line(
            [(x + sign * 0.16 * r, y - 0.28 * r), (x + sign * 0.62 * r, y - 0.5 * r)], 0.1 * r, (90, 50, 26)
        )
    mouth = (x, y + 0.5 * r)
    canvas.ellipse(mouth, (0.46 * r, (0.12 + 0.42 * roar) * r), (110, 24, 28))
    if roar > 0.2:
        for sign in (-1, 1):  # fangs
            tip = (x + sign * 0.24 * r, mouth[1] + 0.1 * r)
            top = mouth[1] - (0.06 + 0.3 * roar) * r
            canvas.polygon([(tip[0] - 0.1 * r, top), (tip[0] + 0.1 * r, top), tip], (250, 248, 236))
    canvas.ellipse((x, y + 0.1 * r), (0.24 * r, 0.15 * r), (70, 40, 34))


def draw_bird(canvas: Canvas, centre: Point, span: float, colour: Colour, flap: float) -> None:
    """A big bird that flies at the camera; `span` is its wing span, `flap` -1..1 where its wings are."""
    x, y = centre
    s = span / 2
    for sign in (-1, 1):
        elbow = (x + sign * 0.5 * s, y - (0.12 + 0.3 * flap) * s)
        tip = (x + sign * s, y - 0.5 * flap * s)
        rear = [(x + sign * f * s, y + (0.24 - 0.42 * flap * f) * s) for f in (0.75, 0.5, 0.25)]
        canvas.polygon([(x, y - 0.12 * s), elbow, tip, *rear, (x, y + 0.2 * s)], shade(colour, 0.75))
        canvas.line([(x, y - 0.1 * s), elbow, tip], 0.07 * s, shade(colour, 0.5))
    canvas.ellipse((x, y + 0.08 * s), (0.17 * s, 0.24 * s), colour)
    canvas.disc((x, y - 0.16 * s), 0.14 * s, shade(colour, 1.15))
    for sign in (-1, 1):
        canvas.disc((x + sign * 0.07 * s, y - 0.2 * s), 0.04 * s, (250, 220, 60))
        canvas.line(
            [(x + sign * 0.1 * s, y + 0.28 * s), (x + sign * 0.12 * s, y + 0.4 * s)], 0.05 * s, (226, 160, 40)
        )
    canvas.polygon(
        [(x - 0.06 * s, y - 0.13 * s), (x + 0.06 * s, y - 0.13 * s), (x, y + 0.02 * s)], (236, 170, 50)
    )
