"""Scenes with a dog, a lion or a bird."""

import math

from pipeline.minivimo.plan import ClipPlan, smoothstep
from pipeline.minivimo.timing import blend, coming, fitted, progress, shortened, side_x
from pipeline.minivimo.view import Point, Thing, View

_DOG_SIDE = 0.52  # of half the picture's width
_CIRCLING_SPAN = 0.16  # of a bird far up


def dog_comes_near(plan: ClipPlan, t: float) -> View:
    """A dog trots up to one side of us."""
    near = coming(plan, t, 1.0)
    return View(things=(_dog(plan, t, near, side_x(plan, _DOG_SIDE), trots=0 < near < 1),))


def dog_crosses(plan: ClipPlan, t: float) -> View:
    """A dog comes near on one side, trots over to the other side, stays about as long there, and trots off."""
    shorter = shortened(plan, 1.7)
    crossing, first_stay = 0.6 * shorter, max(plan.event_seconds - 1.4, 0.4 * shorter)
    arrival = -crossing - first_stay  # in seconds from the event
    leaving = max(first_stay, 0.9)
    near = progress(plan, t, arrival - 0.8, arrival) - progress(plan, t, leaving, leaving + 0.8)
    over = progress(plan, t, -crossing, 0.0)
    trots = 0 < near < 1 or 0 < over < 1
    return View(things=(_dog(plan, t, near, side_x(plan, _DOG_SIDE * (2 * over - 1)), trots),))


def _dog(plan: ClipPlan, t: float, near: float, near_x: float, trots: bool) -> Thing:
    ground = plan.look.horizon + 0.06
    y = ground + (0.95 - ground) * near
    return Thing("dog", near * near_x, y, 0.12 + 0.42 * near, phase=t, effort=float(trots))


def lion_charges(plan: ClipPlan, t: float) -> View:
    """A lion runs at us, roars, and turns away."""
    near = coming(plan, t, 0.85, arrival=0.05, late=1.5)
    gone = progress(plan, t, begin=plan.hold_seconds, end=plan.hold_seconds + 0.4)
    near *= 1 - 0.75 * gone
    ground = plan.look.horizon + 0.06
    x, y = plan.look.offset_x * (1 + 2 * gone), ground + (1.12 - ground) * near
    return View(things=(Thing("lion", x, y, 0.16 + 0.95 * near, phase=t, effort=plan.reveal(t)),))


def bird_swoops(plan: ClipPlan, t: float) -> View:
    """A bird circles far up, then dives at our head."""
    near = coming(plan, t, 0.75, arrival=0.05, late=1.5)
    gone = progress(plan, t, begin=plan.hold_seconds, end=plan.hold_seconds + 0.5)
    circling = (side_x(plan, 0.55) + 0.08 * math.sin(2 * t), _height_of_flight(t))
    x, y = blend(circling, (plan.look.offset_x, 0.40), near)
    span = _CIRCLING_SPAN + 1.0 * near * fitted(plan, 1.0)
    return View(things=(Thing("bird", x, y - 0.95 * gone, span, phase=t),))


def bird_passes(plan: ClipPlan, t: float) -> View:
    """A bird crosses the sky far up."""
    at: Point = (side_x(plan, 2.4 * _crossed(plan, t) - 1.2), _height_of_flight(t))
    return View(things=(Thing("bird", *at, _CIRCLING_SPAN, phase=t),))


def _crossed(plan: ClipPlan, t: float) -> float:
    """0..1 from one edge of the picture to the other, half of it by the event."""
    return smoothstep(0.5 + (t - plan.event_seconds) / (3.6 * plan.pace))


def _height_of_flight(t: float) -> float:
    return 0.12 + 0.03 * math.sin(3 * t)
