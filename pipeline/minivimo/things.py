"""A ball, a car, a traffic light and fireworks."""

import math

from pipeline.minivimo.canvas import Canvas, mix, shade
from pipeline.minivimo.look import Colour
from pipeline.minivimo.view import Point

_DARK: Colour = (32, 32, 36)


def draw_ball(canvas: Canvas, centre: Point, radius: float, colour: Colour, turns: float) -> None:
    """A striped ball; `turns` rolls it."""
    canvas.disc(centre, radius, colour)
    angle = 360 * turns
    canvas.ellipse(centre, (0.96 * radius, 0.32 * radius), (246, 244, 238), angle=angle)
    canvas.ellipse(centre, (0.92 * radius, 0.12 * radius), shade(colour, 0.6), angle=angle)
    canvas.ellipse(
        (centre[0] - 0.3 * radius, centre[1] - 0.4 * radius), (0.2 * radius, 0.14 * radius), (255, 255, 255)
    )


def draw_shadow(canvas: Canvas, centre: Point, radius: float) -> None:
    """A flat shadow on the ground."""
    canvas.ellipse(centre, (1.1 * radius, 0.25 * radius), (72, 72, 70))


def draw_car(canvas: Canvas, wheels: Point, width: float, paint: Colour) -> None:
    """A car from the front; `wheels` is where the middle of its front axle meets the road."""
    x, y = wheels

    def at(dx: float, dy: float) -> Point:
        return x + dx * width, y - dy * width

    canvas.ellipse(at(0, 0.0), (0.56 * width, 0.07 * width), (52, 52, 54))
    for sign in (-1, 1):
        canvas.box(at(sign * 0.40 - 0.08, 0.2), at(sign * 0.40 + 0.08, -0.02), _DARK)
    roof = [at(-0.40, 0.42), at(-0.29, 0.70), at(0.29, 0.70), at(0.40, 0.42)]
    canvas.polygon(roof, paint)
    canvas.polygon([at(-0.34, 0.44), at(-0.25, 0.66), at(0.25, 0.66), at(0.34, 0.44)], (150, 190, 208))
    canvas.polygon([at(-0.02, 0.44), at(0.06, 0.66), at(0.16, 0.66), at(0.08, 0.44)], (206, 226, 234))
    canvas.box(at(-0.5, 0.44), at(0.5, 0.12), shade(paint, 0.88))
    canvas.line([at(-0.47, 0.43), at(0.47, 0.43)], 0.05 * width, paint)
    canvas.box(at(-0.22, 0.34), at(0.22, 0.22), _DARK)
    canvas.line([at(-0.48, 0.14), at(0.48, 0.14)], 0.06 * width, (120, 122, 126))
    for sign in (-1, 1):
        canvas.disc(at(sign * 0.37, 0.30), 0.09 * width, (255, 246, 190))
        canvas.disc(at(sign * 0.37, 0.30), 0.05 * width, (255, 255, 246))


def draw_traffic_light(canvas: Canvas, foot: Point, height: float, green: float) -> None:
    """A traffic light for walkers; `green` 0 is red, 1 is green."""
    x, y = foot

    def at(dx: float, dy: float) -> Point:
        return x + dx * height, y - dy * height

    canvas.line([at(0, 0), at(0, 0.62)], 0.045 * height, (88, 92, 98))
    canvas.box(at(-0.135, 1.02), at(0.135, 0.55), _DARK)
    lamps: tuple[tuple[float, Colour, float], ...] = (
        (0.90, (255, 56, 48), 1 - green),
        (0.67, (60, 250, 110), green),
    )
    for dy, colour, glow in lamps:
        if glow > 0.5:
            canvas.disc(at(0, dy), 0.125 * height, shade(colour, 0.55))
        canvas.disc(at(0, dy), 0.098 * height, shade(colour, 0.18 + 0.82 * glow))
        if glow > 0.5:
            canvas.disc(at(0, dy), 0.05 * height, shade(colour, 1.6))


def draw_crossing(canvas: Canvas, horizon: float) -> None:
    """Stripes on the road ahead."""
    for k in range(-4, 5):
        near, far = 0.26 * k, 0.09 * k
        stripe = [
            (near - 0.07, 0.97),
            (near + 0.07, 0.97),
            (far + 0.025, horizon + 0.12),
            (far - 0.025, horizon + 0.12),
        ]
        canvas.polygon(stripe, (226, 226, 220))


def draw_rocket(canvas: Canvas, at: Point, tail: float) -> None:
    """A rising spark."""
    canvas.line([at, (at[0], at[1] + tail)], 0.008, (255, 214, 150))


def draw_burst(canvas: Canvas, centre: Point, radius: float, colour: Colour, age: float) -> None:
    """A firework that has burst; `age` 0..1 from flash to gone."""
    reach = radius * math.sqrt(age)
    spark = mix(colour, (52, 56, 66), age**2)
    if age < 0.25:
        canvas.disc(centre, 0.25 * radius, (255, 250, 226))
    for ring, rays in ((1.0, 16), (0.55, 10)):
        for k in range(rays):
            angle = 2 * math.pi * (k + 0.5 * ring) / rays
            dx, dy = math.cos(angle) * ring * reach, math.sin(angle) * ring * reach + 0.25 * radius * age**2
            end = (centre[0] + dx, centre[1] + dy)
            begin = (centre[0] + 0.6 * dx, centre[1] + 0.6 * dy)
            canvas.line([begin, end], 0.014, spark)
            canvas.disc(end, 0.018, shade(spark, 1.3))
