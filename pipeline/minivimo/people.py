"""The other person: a cartoon figure seen from the front, with a face that shows what they mean."""

import math
from collections.abc import Callable

from pipeline.minivimo.canvas import Canvas, shade
from pipeline.minivimo.look import Colour, Look
from pipeline.minivimo.view import Face, Figure, Point

_HEAD = 0.135  # head radius; all sizes here are shares of the figure's height
_UPPER_ARM, _FORE_ARM = 0.185, 0.175


def draw_figure(canvas: Canvas, figure: Figure, look: Look) -> None:
    """Draws a person."""
    size = figure.height

    def at(x: float, y: float) -> Point:
        return figure.x + x * size, figure.feet_y - y * size

    canvas.ellipse(at(0, 0.0), (0.2 * size, 0.03 * size), shade(look.ground, 0.62 * look.light))
    _legs(canvas, figure, look, at)
    shoulder = 0.70 - figure.bow_drop
    trunk = [at(-0.085, 0.40), at(-0.125, shoulder), at(0.125, shoulder), at(0.085, 0.40)]
    canvas.polygon(trunk, look.shirt)
    canvas.line([at(-0.115, shoulder - 0.015), at(0.115, shoulder - 0.015)], 0.07 * size, look.shirt)
    canvas.line([at(-0.07, 0.42), at(0.07, 0.42)], 0.05 * size, look.trousers)
    canvas.line([at(0, shoulder), at(0, shoulder + 0.07)], 0.075 * size, shade(look.skin, 0.88))
    radius = _HEAD * size * (1 + 0.22 * figure.bow)
    _head(canvas, figure.head_position, radius, figure.face, figure.bow, look)
    for sign, hand, hand_size in zip((-1, 1), figure.hands, figure.hand_sizes, strict=True):
        _arm(canvas, figure, look, (sign * 0.135, shoulder - 0.015), sign, hand, hand_size)


def _legs(canvas: Canvas, figure: Figure, look: Look, at: Callable[[float, float], Point]) -> None:
    swing = figure.stride
    for sign, lift in ((-1, max(swing, 0.0)), (1, max(-swing, 0.0))):
        foot = at(sign * 0.075, 0.02 + 0.05 * lift)
        canvas.line(
            [at(sign * 0.05, 0.42), at(sign * 0.065, 0.22 + 0.02 * lift), foot],
            0.085 * figure.height,
            look.trousers,
        )
        canvas.ellipse(foot, (0.05 * figure.height, 0.032 * figure.height), (44, 38, 36))


def _arm(
    canvas: Canvas, figure: Figure, look: Look, shoulder: Point, sign: int, hand: Point, hand_size: float
) -> None:
    size = figure.height
    elbow, wrist = _bend(hand, _UPPER_ARM, _FORE_ARM)

    def at(point: Point) -> Point:
        return figure.x + (shoulder[0] + sign * point[0]) * size, figure.feet_y - (
            shoulder[1] + point[1]
        ) * size

    sleeve = shade(look.shirt, 0.82)
    canvas.line([at((0, 0)), at(elbow)], 0.066 * size, sleeve)
    canvas.line([at(elbow), at(wrist)], 0.056 * size * (1 + 0.4 * (hand_size - 1)), sleeve)
    centre, radius = at(wrist), 0.045 * size * hand_size
    canvas.disc(centre, radius, shade(look.skin, 0.96))
    if figure.open_palms:
        for k in range(-2, 3):
            tip = (centre[0] + 0.8 * radius * k / 1.4, centre[1] - radius * (1.75 - 0.12 * k * k))
            canvas.line([centre, tip], 0.36 * radius, shade(look.skin, 0.96))
    elif hand_size > 1.3:  # a fist close to the camera: knuckles
        for k in (-1, 0, 1):
            x = centre[0] + 0.5 * radius * k
            canvas.line(
                [(x, centre[1] - 0.1 * radius), (x, centre[1] + 0.6 * radius)],
                0.12 * radius,
                shade(look.skin, 0.6),
            )


def _bend(hand: Point, upper: float, fore: float) -> tuple[Point, Point]:
    """Elbow and wrist for a hand target; the elbow bends outwards and down."""
    distance = max(math.hypot(*hand), 1e-6)
    reach = min(max(distance, 0.35 * (upper + fore)), 0.999 * (upper + fore))
    ux, uy = hand[0] / distance, hand[1] / distance
    along = (upper**2 - fore**2 + reach**2) / (2 * reach)
    off = math.sqrt(max(upper**2 - along**2, 0.0))
    side = 1.0 if ux + uy > 0 else -1.0  # the perpendicular that points out and down
    elbow = (ux * along + side * uy * off, uy * along - side * ux * off)
    return elbow, (ux * reach, uy * reach)


def _head(canvas: Canvas, centre: Point, radius: float, face: Face, bow: float, look: Look) -> None:
    x, y = centre
    if look.long_hair:
        for sign in (-1, 1):
            canvas.ellipse(
                (x + sign * 0.82 * radius, y + 0.3 * radius), (0.36 * radius, 1.05 * radius), look.hair
            )
    for sign in (-1, 1):
        canvas.disc((x + sign * radius, y), 0.2 * radius, shade(look.skin, 0.9))
    canvas.ellipse(centre, (radius, 1.08 * radius), look.skin)
    canvas.ellipse((x, y - 0.42 * radius), (1.04 * radius, 0.78 * radius), look.hair, arc=(180, 360))
    if bow < 0.5:
        _features(canvas, (x, y + 0.75 * bow * radius), radius, face, look.skin)
    if bow > 0.05:  # the crown of the head turns to the camera
        canvas.ellipse((x, y - 0.16 * radius), (1.06 * radius, min(1.0, 1.1 * bow) * radius), look.hair)


def _features(canvas: Canvas, centre: Point, r: float, face: Face, skin: Colour) -> None:
    x, y = centre
    anger, joy = max(face.slant, 0.0), face.blush
    if joy > 0:
        for sign in (-1, 1):
            canvas.ellipse(
                (x + sign * 0.58 * r, y + 0.28 * r), (0.2 * r * joy, 0.13 * r * joy), (240, 130, 120)
            )
    for sign in (-1, 1):
        eye = (x + sign * 0.38 * r, y - 0.06 * r)
        canvas.ellipse(eye, (0.2 * r, (0.19 - 0.05 * anger) * r), (250, 250, 250))
        canvas.disc((eye[0] - sign * 0.03 * r, eye[1] + 0.02 * r), 0.115 * r, (24, 22, 24))
        inner = (x + sign * 0.13 * r, y - (0.35 + 0.16 * joy - 0.22 * face.slant) * r)
        outer = (x + sign * 0.66 * r, y - (0.36 + 0.08 * joy + 0.16 * face.slant) * r)
        canvas.line([inner, outer], (0.12 + 0.05 * anger) * r, (44, 32, 28))
    canvas.ellipse((x, y + 0.2 * r), (0.09 * r, 0.12 * r), shade(skin, 0.8))
    _mouth(canvas, (x, y + 0.52 * r), r, face)


def _mouth(canvas: Canvas, centre: Point, r: float, face: Face) -> None:
    x, y = centre
    lip = (150, 44, 50)
    half = (0.36 + 0.14 * abs(face.smile)) * r
    if face.smile > 0.25:  # a wide open smile with teeth
        top, depth = y - 0.16 * r, (0.1 + 0.42 * face.smile * face.open) * r
        canvas.ellipse((x, top), (half, depth), (122, 22, 36), arc=(0, 180))
        canvas.ellipse((x, top), (0.84 * half, 0.4 * depth), (252, 252, 250), arc=(0, 180))
        canvas.arc((x, top), (half, depth), (0, 180), 0.07 * r, lip)
    else:
        bend = -0.30 * face.smile * r  # corners down
        canvas.line(
            [(x - half, y + bend), (x - 0.5 * half, y), (x + 0.5 * half, y), (x + half, y + bend)],
            0.11 * r,
            lip,
        )
        if face.open > 0.15:
            canvas.box((x - 0.5 * half, y), (x + 0.5 * half, y + 0.3 * r * face.open), (246, 246, 246))
