"""Draws what is in view."""

import math

from pipeline.minivimo.animals import draw_bird, draw_dog, draw_lion
from pipeline.minivimo.canvas import Canvas
from pipeline.minivimo.look import Colour, Look
from pipeline.minivimo.people import draw_figure
from pipeline.minivimo.things import (
    draw_ball,
    draw_burst,
    draw_car,
    draw_crossing,
    draw_rocket,
    draw_shadow,
    draw_traffic_light,
)
from pipeline.minivimo.view import Thing, View

_COATS: tuple[Colour, ...] = ((196, 140, 84), (150, 104, 70), (214, 190, 150))
_SPARKS: tuple[Colour, ...] = (
    (255, 120, 90),
    (120, 220, 255),
    (255, 220, 90),
    (190, 130, 255),
    (130, 255, 150),
)


def draw_view(canvas: Canvas, view: View, look: Look) -> None:
    """Draws a view, people before things."""
    if view.crossing:
        draw_crossing(canvas, look.horizon)
    if view.light is not None:
        draw_traffic_light(canvas, view.light.foot, view.light.height, float(view.light.green))
    if view.person is not None:
        draw_figure(canvas, view.person, look)
    for thing in view.things:
        _draw_thing(canvas, thing, look)
    for rocket in view.rockets:
        draw_rocket(canvas, rocket.at, 0.06)
    for burst in view.bursts:
        draw_burst(canvas, burst.centre, burst.radius, _SPARKS[burst.colour], burst.age)


def _draw_thing(canvas: Canvas, thing: Thing, look: Look) -> None:
    at, size = (thing.x, thing.y), thing.size
    if thing.kind == "ball":
        if thing.shadow:
            draw_shadow(canvas, (thing.x, thing.y + 0.45 * size), size / 2)
        draw_ball(canvas, at, size / 2, look.accent, thing.phase)
    elif thing.kind == "dog":
        draw_dog(canvas, at, size, _COATS[look.backdrop_seed % 3], thing.phase, thing.effort)
    elif thing.kind == "lion":
        draw_lion(canvas, at, size, thing.effort, thing.phase)
    elif thing.kind == "bird":
        feathers = (96, 82, 74) if look.light > 0.6 else (186, 164, 144)
        draw_bird(canvas, at, size, feathers, math.sin(2 * math.pi * 2.8 * thing.phase))
    else:
        draw_car(canvas, at, size, look.shirt)
