"""Scenes without another being: cars, a ball, a traffic light, fireworks."""

from pipeline.minivimo.plan import ClipPlan
from pipeline.minivimo.timing import coming, progress, shortened, side_x
from pipeline.minivimo.view import Burst, Point, Rocket, Thing, TrafficLight, View

_FAR_CAR = 0.13  # width
_CLIMB_SECONDS, _BURST_SECONDS = 0.55, 0.9


def car_comes(plan: ClipPlan, t: float) -> View:
    """A car comes on one side of the road and passes us."""
    near = coming(plan, t, 1.0, arrival=0.1, late=1.4)
    return View(things=(_car(plan, t, near, side_x(plan, 0.16 + 0.36 * near)),))


def car_swerves(plan: ClipPlan, t: float) -> View:
    """A car comes on one side of the road, and swerves to the other side before it arrives."""
    shorter = shortened(plan, 1.7)
    first = 0.62 * progress(plan, t, -1.7 * shorter, -0.7 * shorter)
    near = first + 0.38 * progress(plan, t, -0.3 * shorter, 0.45)
    over = progress(plan, t, -0.6 * shorter, 0.05)
    return View(things=(_car(plan, t, near, side_x(plan, 0.52 * (2 * over - 1) * near**0.5)),))


def _car(plan: ClipPlan, t: float, near: float, x: float) -> Thing:
    """A car from far away to right before us, which it passes soon after the event."""
    gone = progress(plan, t, begin=0.1, end=0.1 + plan.hold_seconds)
    ground = plan.look.horizon + 0.05
    y = ground + (0.9 - ground) * near + 0.25 * gone
    return Thing("car", x + side_x(plan, 2.2 * gone), y, _FAR_CAR + 0.59 * near + 0.5 * gone)


def car_passes(plan: ClipPlan, t: float) -> View:
    """A car crosses the street far away."""
    crossed = progress(plan, t, -1.6 * plan.pace, 1.6 * plan.pace)
    return View(things=(Thing("car", side_x(plan, 2.4 * crossed - 1.2), plan.look.horizon + 0.05, _FAR_CAR),))


def ball_rolls(plan: ClipPlan, t: float) -> View:
    """A ball rolls up to one of our feet, and flies back when it is kicked."""
    near = coming(plan, t, 1.05, arrival=0.15, late=1.2)
    gone = progress(plan, t, begin=plan.hold_seconds * 0.8, end=plan.hold_seconds * 0.8 + 0.4)
    ground = plan.look.horizon + 0.08
    size = 0.06 + 0.21 * near * (1 - 0.8 * gone)
    x = near * side_x(plan, 0.45) * (1 - 0.8 * gone)
    y = ground + (0.90 - ground) * near * (1 - gone) - 0.1 * gone * (1 - gone)
    return View(things=(Thing("ball", x, y, size, phase=2.2 * near, shadow=True),))


def green_light(plan: ClipPlan, t: float) -> View:
    """A red light turns green."""
    return _at_the_crossing(plan, green=t >= plan.event_seconds)


def red_light(plan: ClipPlan, t: float) -> View:
    """A green light turns red."""
    return _at_the_crossing(plan, green=t < plan.event_seconds)


def _at_the_crossing(plan: ClipPlan, green: bool) -> View:
    foot: Point = (side_x(plan, 0.35), plan.look.horizon + 0.22)
    return View(light=TrafficLight(foot, 0.52 * plan.look.scale, green), crossing=True)


def fireworks(plan: ClipPlan, t: float) -> View:
    """Rockets rise and burst in a dark sky."""
    rockets: list[Rocket] = []
    bursts: list[Burst] = []
    for k in range(4):
        number = k + plan.look.backdrop_seed
        x, top = plan.half_width * (-0.55, 0.45, 0.0, 0.7)[number % 4], 0.16 + 0.09 * ((number + 6 * k) % 3)
        since_burst = t - plan.event_seconds + 0.15 - 0.28 * k
        climb, age = 1 + since_burst / _CLIMB_SECONDS, since_burst / _BURST_SECONDS
        if 0 < climb < 1:
            rockets.append(Rocket((x, plan.look.horizon + (top - plan.look.horizon) * climb)))
        if 0 < age < 1:
            bursts.append(Burst((x, top), 0.24, age, colour=number % 5))
    return View(rockets=tuple(rockets), bursts=tuple(bursts))
