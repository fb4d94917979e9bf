"""Something irrelevant far away, of the kinds that matter when they are near: mere presence must not tell."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from pipeline.minivimo.view import HANGING, Figure, Point, Thing, TrafficLight, View

FarKind = Literal["bird", "ball", "car", "dog", "person", "light"]

# Of each kind in picture heights: well below what the same thing measures where it matters.
_SIZES: dict[FarKind, float] = {
    "bird": 0.07,
    "ball": 0.026,
    "car": 0.065,
    "dog": 0.06,
    "person": 0.17,
    "light": 0.13,
}
_RAISE_SECONDS = 0.4


@dataclass(frozen=True)
class FarThing:
    """What happens far away: `kind` goes across the picture, a person raises a hand, a light shows one colour.

    Attributes:
        size: in picture heights.
        across: x at `begin_seconds`, as a share of half the picture's width.
        speed: picture heights per second to the right; 0 of a person and a light.
        begin_seconds: when it is at `across`, or the hand goes up.
        green: of a light; of a person, which hand.
    """

    kind: FarKind
    size: float
    across: float
    speed: float
    begin_seconds: float
    green: bool


def sample_far(rng: np.random.Generator, duration_seconds: float) -> FarThing:
    """Draws something that happens far away."""
    kind: FarKind = get_args(FarKind)[int(rng.integers(len(get_args(FarKind))))]
    moves = kind not in ("person", "light")
    beside = float(rng.choice([-1, 1]) * rng.uniform(0.5, 0.85))  # where nobody stands before it
    return FarThing(
        kind=kind,
        size=_SIZES[kind] * float(rng.uniform(0.9, 1.1)),
        across=float(rng.uniform(-0.8, 0.8)) if moves else beside,
        speed=float(rng.choice([-1, 1]) * rng.uniform(0.08, 0.25)) if moves else 0.0,
        begin_seconds=float(rng.uniform(0.2, 0.8)) * duration_seconds,
        green=bool(rng.random() < 0.5),
    )


def far_view(far: FarThing, horizon: float, half_width: float, time_seconds: float) -> View:
    """What of it is in view at one time."""
    since = time_seconds - far.begin_seconds
    x = far.across * half_width + far.speed * since
    if far.kind == "person":
        return View(person=_waver(far, x, horizon, since))
    if far.kind == "light":
        return View(light=TrafficLight((x, horizon + 0.06), far.size, far.green))
    if far.kind == "bird":
        return View(things=(Thing("bird", x, 0.12 + 0.02 * np.sin(2 * since), far.size, since),))
    if far.kind == "ball":
        return View(things=(Thing("ball", x, horizon + 0.07, far.size, x / far.size / 3, shadow=True),))
    return View(things=(Thing(far.kind, x, horizon + 0.06, far.size, since, effort=1.0),))


def _waver(far: FarThing, x: float, horizon: float, since: float) -> Figure:
    """A person far away who raises a hand for a second."""
    share = float(np.clip(min(since, 1.4 - since) / _RAISE_SECONDS, 0.0, 1.0))
    hand: Point = (HANGING[0] + 0.1 * share, HANGING[1] + 0.58 * share)
    hands = (hand, HANGING) if far.green else (HANGING, hand)
    return Figure(x, horizon + 0.1, far.size, hands=hands)
