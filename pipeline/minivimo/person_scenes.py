"""Scenes with another person."""

import math
from collections.abc import Callable
from dataclasses import replace

from pipeline.minivimo.plan import ClipPlan, smoothstep
from pipeline.minivimo.timing import EYE_SHARE, blend, coming, fitted, shortened, side_x
from pipeline.minivimo.view import HANGING, NEUTRAL, Face, Figure, Point, Thing, View

_WALK_SECONDS, _RUN_SECONDS = 1.35, 0.45  # from far away to right before us
_LOB_SECONDS, _FAST_BALL_SECONDS = 1.2, 0.4  # from their hand to us
_STEPS_HZ = 1.8
_RAISED: Point = (0.16, 0.26)  # the hand that throws or catches


def approach(face: Face) -> Callable[[ClipPlan, float], View]:
    """Someone walks up close; only their face, once they are there, says how they feel."""

    def scene(plan: ClipPlan, t: float) -> View:
        since = t - plan.event_seconds + 0.1
        return View(person=_walk_up(plan, since, _WALK_SECONDS, face.faded(plan.reveal(t))))

    return scene


def walks_away(plan: ClipPlan, t: float) -> View:
    """Someone near walks off: `approach(NEUTRAL)` backwards."""
    return View(person=_walk_up(plan, plan.event_seconds - 0.1 - t, _WALK_SECONDS, NEUTRAL))


def rush(plan: ClipPlan, t: float) -> View:
    """`approach(NEUTRAL)`, three times as fast. One can tell before they have arrived."""
    return View(person=_walk_up(plan, t - plan.event_seconds - 0.25, _RUN_SECONDS, NEUTRAL))


def _walk_up(plan: ClipPlan, since_arrival: float, seconds: float, face: Face) -> Figure:
    near = smoothstep(1 + since_arrival / (seconds * _mild(plan)))
    return _walker(plan, since_arrival, fitted(plan, 0.6 + 0.95 * near), near, face)


def _mild(plan: ClipPlan) -> float:
    """The clip's pace with less variety, where being slow or fast is what tells."""
    return float(plan.pace ** (1 / 3))


def open_arms(plan: ClipPlan, t: float) -> View:
    """Someone opens their arms."""
    reveal = plan.reveal(t)
    hands = blend(HANGING, (0.31, 0.14), reveal)
    figure = _after_walking_up(plan, t, Face(smile=0.6).faded(reveal))
    return View(person=replace(figure, hands=(hands, hands), open_palms=reveal > 0.5))


def bow(plan: ClipPlan, t: float) -> View:
    """Someone bows."""
    return View(person=replace(_after_walking_up(plan, t, NEUTRAL), bow=plan.reveal(t)))


def throw_ball(plan: ClipPlan, t: float) -> View:
    """Someone throws a ball in a slow arc to one side of us."""
    return _ball_game(plan, t - plan.event_seconds, _LOB_SECONDS * _mild(plan))


def fast_ball(plan: ClipPlan, t: float) -> View:
    """The same throw, but the ball flies three times as fast."""
    return _ball_game(plan, t - plan.event_seconds, _FAST_BALL_SECONDS * _mild(plan))


def they_catch(plan: ClipPlan, t: float) -> View:
    """A ball flies from our side to someone who catches it: `throw_ball` backwards."""
    return _ball_game(plan, plan.event_seconds - t, _LOB_SECONDS * _mild(plan))


def _ball_game(plan: ClipPlan, since_release: float, flight_seconds: float) -> View:
    """The hand that throws is up at the release and then follows through; the ball flies past us on one side."""
    hand_side = 0 if plan.look.flip else 1
    standing = _standing(plan, fitted(plan, 0.95))
    up = blend(HANGING, _RAISED, plan.reveal(plan.event_seconds + since_release))
    down = smoothstep(since_release / 0.6)
    figure = _with_hand(standing, hand_side, blend(up, HANGING, down))
    flight = max(since_release / flight_seconds, 0.0)
    if flight >= 1.35:
        return View(person=figure)
    held_by = (
        figure if flight == 0 else _with_hand(standing, hand_side, _RAISED)
    )  # it leaves a hand that is up
    x, y = blend(held_by.hand_position(hand_side), (side_x(plan, 0.62), 0.66), flight)
    arc = -0.22 * flight * (1 - flight)
    size = 0.11 * figure.height + 0.26 * flight**2
    return View(person=figure, things=(Thing("ball", x, y + arc, size, phase=1.5 * flight),))


def _with_hand(figure: Figure, side: int, hand: Point) -> Figure:
    return replace(figure, hands=(hand, HANGING) if side == 0 else (HANGING, hand))


def high_five(plan: ClipPlan, t: float) -> View:
    """Someone offers an open palm."""
    reveal = plan.reveal(t)
    figure = _after_walking_up(plan, t, Face(smile=0.5).faded(reveal))
    return View(person=_offering(figure, reveal, left=plan.seen_side == "left"))


def change_hands(plan: ClipPlan, t: float) -> View:
    """Someone offers one palm, lowers it, then offers the other one for as long: backwards, it is the other side."""
    stretch = shortened(plan, 1.3)
    middle = 0.325 * stretch  # before the event
    since = (t - plan.event_seconds + middle) / stretch
    share = smoothstep(min(abs(since) / 0.325, (1.2 - abs(since)) / 0.325))
    last = since > 0
    figure = _standing(plan, fitted(plan, 1.1))
    figure = replace(figure, face=Face(smile=0.5).faded(share))
    return View(person=_offering(figure, share, left=(plan.seen_side == "left") == last))


def _offering(figure: Figure, share: float, left: bool) -> Figure:
    hand, size = blend(HANGING, (0.13, 0.24), share), 1 + share
    return replace(
        figure,
        hands=(hand, HANGING) if left else (HANGING, hand),
        hand_sizes=(size, 1.0) if left else (1.0, size),
        open_palms=share > 0.3,
    )


def punch(plan: ClipPlan, t: float) -> View:
    """Someone strikes with both fists in turn."""
    reveal = plan.reveal(t)
    guard = blend(HANGING, (0.03, 0.0), smoothstep(2 * reveal))
    jab = math.sin(2 * math.pi * 1.6 * (t - plan.event_seconds) + math.pi / 2) * reveal
    grown = (1 + 3.2 * max(jab, 0.0), 1 + 3.2 * max(-jab, 0.0))
    figure = _after_walking_up(plan, t, Face(slant=0.7, smile=-0.6).faded(reveal))
    sizes = grown if plan.look.flip else (grown[1], grown[0])
    return View(person=replace(figure, hands=(guard, guard), hand_sizes=sizes))


def _after_walking_up(plan: ClipPlan, t: float, face: Face) -> Figure:
    """Someone who walks up before they do something."""
    near = coming(plan, t, 1.1, arrival=-0.5)
    return _walker(plan, t - plan.event_seconds + 0.5, fitted(plan, 0.8 + 0.3 * near), near, face)


def _walker(plan: ClipPlan, since_arrival: float, height: float, near: float, face: Face) -> Figure:
    """A figure that walks while it comes nearer. Its gait is the same forwards and backwards in time."""
    stride = math.cos(2 * math.pi * _STEPS_HZ * since_arrival) if 0 < near < 1 else 0.0
    swing = 0.03 * stride
    hands = ((HANGING[0] + swing, HANGING[1]), (HANGING[0] - swing, HANGING[1]))
    figure = _standing(plan, height)
    bob = 0.008 * height * abs(stride)
    return replace(figure, feet_y=figure.feet_y + bob, face=face, hands=hands, stride=stride)


def _standing(plan: ClipPlan, height: float) -> Figure:
    return Figure(plan.look.offset_x, plan.look.horizon + EYE_SHARE * height, height)
