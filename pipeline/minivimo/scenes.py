"""What the reacting person sees in each interaction: one function per interaction, drawing one moment."""

import math
from collections.abc import Callable

from pipeline.minivimo.animals import draw_bird, draw_dog, draw_lion
from pipeline.minivimo.canvas import Canvas, Point
from pipeline.minivimo.look import Colour
from pipeline.minivimo.people import ANGRY, HANGING, HAPPY, NEUTRAL, Face, Figure, draw_figure
from pipeline.minivimo.plan import ClipPlan, smoothstep
from pipeline.minivimo.things import (
    draw_ball,
    draw_burst,
    draw_car,
    draw_crossing,
    draw_rocket,
    draw_shadow,
    draw_traffic_light,
)

Scene = Callable[[Canvas, ClipPlan, float], None]

_EYE_SHARE = 0.88  # the eyes of a standing person are at this share of their height, and on the horizon


def draw_scene(canvas: Canvas, plan: ClipPlan, time_seconds: float) -> None:
    """Draws the foreground of `plan` at one time."""
    _SCENES[plan.interaction.name](canvas, plan, time_seconds)


def _approach(face: Face) -> Scene:
    """Someone walks up close; only their face, once they are there, says how they feel."""

    def scene(canvas: Canvas, plan: ClipPlan, t: float) -> None:
        near = _coming(plan, t, 1.2, arrival=-0.1)
        height = _fit(canvas, plan, 0.6 + 0.95 * near)
        draw_figure(canvas, _walker(canvas, plan, t, height, near, face.faded(plan.reveal(t))), plan.look)

    return scene


def _open_arms(canvas: Canvas, plan: ClipPlan, t: float) -> None:
    reveal = plan.reveal(t)
    hands = _blend(HANGING, (0.31, 0.14), reveal)
    _gesture(canvas, plan, t, Face(smile=0.6).faded(reveal), (hands, hands), open_palms=reveal > 0.5)


def _bow(canvas: Canvas, plan: ClipPlan, t: float) -> None:
    near = _coming(plan, t, 1.1, arrival=-0.5)
    figure = _walker(canvas, plan, t, _fit(canvas, plan, 0.8 + 0.3 * near), near, NEUTRAL)
    draw_figure(canvas, Figure(**{**vars(figure), "bow": plan.reveal(t)}), plan.look)


def _throw_ball(canvas: Canvas, plan: ClipPlan, t: float) -> None:
    reveal = plan.reveal(t)
    hand_side = 0 if plan.look.flip else 1
    raised = _blend(HANGING, (0.16, 0.26), reveal)
    flight = (t - plan.event_seconds) / (1.4 * plan.rise_seconds)
    if flight > 0:  # the arm follows through
        raised = _blend(raised, (0.0, 0.05), smoothstep(3 * flight))
    hands = (raised, HANGING) if hand_side == 0 else (HANGING, raised)
    figure = _gesture(canvas, plan, t, NEUTRAL, hands)
    start = _hand_position(figure, hand_side)
    end = (_side_x(canvas, plan, 0.62), 0.66)
    radius = 0.055 * figure.height
    if flight <= 0:
        draw_ball(canvas, start, radius, plan.look.accent, 0.0)
    elif flight < 1.35:
        x, y = _blend(start, end, flight)
        arc = -0.22 * flight * (1 - flight)
        draw_ball(canvas, (x, y + arc), radius + 0.13 * flight**2, plan.look.accent, 1.5 * flight)


def _high_five(canvas: Canvas, plan: ClipPlan, t: float) -> None:
    reveal = plan.reveal(t)
    hand = _blend(HANGING, (0.13, 0.24), reveal)
    grown = 1 + 1.0 * reveal
    hands = (hand, HANGING) if plan.seen_side == "left" else (HANGING, hand)
    sizes = (grown, 1.0) if plan.seen_side == "left" else (1.0, grown)
    _gesture(canvas, plan, t, Face(smile=0.5).faded(reveal), hands, sizes, open_palms=reveal > 0.3)


def _punch(canvas: Canvas, plan: ClipPlan, t: float) -> None:
    reveal = plan.reveal(t)
    guard = _blend(HANGING, (0.03, 0.0), smoothstep(2 * reveal))
    jab = math.sin(2 * math.pi * 1.6 * (t - plan.event_seconds) + math.pi / 2) * reveal
    grown = (1 + 3.2 * max(jab, 0.0), 1 + 3.2 * max(-jab, 0.0))
    sizes = grown if plan.look.flip else (grown[1], grown[0])
    _gesture(canvas, plan, t, Face(slant=0.7, smile=-0.6).faded(reveal), (guard, guard), sizes)


def _dog_comes_near(canvas: Canvas, plan: ClipPlan, t: float) -> None:
    near = _coming(plan, t, 1.0)
    ground = plan.look.horizon + 0.06
    x = near * _side_x(canvas, plan, 0.52)
    y = ground + (0.95 - ground) * near
    coat = ((196, 140, 84), (150, 104, 70), (214, 190, 150))[plan.look.backdrop_seed % 3]
    draw_dog(canvas, (x, y), 0.09 + 0.45 * near, coat, t, trot=1.0 if 0 < near < 1 else 0.0)


def _lion_charges(canvas: Canvas, plan: ClipPlan, t: float) -> None:
    near = _coming(plan, t, 0.85, arrival=0.05, late=1.5)
    gone = _progress(plan, t, begin=plan.hold_seconds, end=plan.hold_seconds + 0.4)
    near *= 1 - 0.75 * gone
    ground = plan.look.horizon + 0.06
    x = plan.look.offset_x * (1 + 2 * gone)
    feet = (x, ground + (1.12 - ground) * near)
    draw_lion(canvas, feet, 0.16 + 0.95 * near, plan.reveal(t), t)


def _bird_swoops(canvas: Canvas, plan: ClipPlan, t: float) -> None:
    near = _coming(plan, t, 0.75, arrival=0.05, late=1.5)
    gone = _progress(plan, t, begin=plan.hold_seconds, end=plan.hold_seconds + 0.5)
    side = -1 if plan.look.flip else 1
    circling = (side * 0.55 * canvas.half_width + 0.08 * math.sin(2 * t), 0.12 + 0.03 * math.sin(3 * t))
    x, y = _blend(circling, (plan.look.offset_x, 0.40), near)
    flap = math.sin(2 * math.pi * 2.8 * t)
    feathers = (96, 82, 74) if plan.look.light > 0.6 else (186, 164, 144)
    span = 0.14 + 1.0 * near * _fit(canvas, plan, 1.0)
    draw_bird(canvas, (x, y - 0.95 * gone), span, feathers, flap)


def _car_comes(canvas: Canvas, plan: ClipPlan, t: float) -> None:
    near = _coming(plan, t, 1.0, arrival=0.1, late=1.4)
    gone = _progress(plan, t, begin=0.1, end=0.1 + plan.hold_seconds)
    ground = plan.look.horizon + 0.05
    x = _side_x(canvas, plan, 0.16 + 0.36 * near + 2.2 * gone)
    feet = (x, ground + (0.9 - ground) * near + 0.25 * gone)
    draw_car(canvas, feet, 0.1 + 0.62 * near + 0.5 * gone, plan.look.shirt)


def _ball_rolls(canvas: Canvas, plan: ClipPlan, t: float) -> None:
    near = _coming(plan, t, 1.05, arrival=0.15, late=1.2)
    gone = _progress(plan, t, begin=plan.hold_seconds * 0.8, end=plan.hold_seconds * 0.8 + 0.4)
    ground = plan.look.horizon + 0.08
    radius = 0.025 + 0.11 * near * (1 - 0.8 * gone)
    x = near * _side_x(canvas, plan, 0.45) * (1 - 0.8 * gone)  # kicked, it flies back
    y = ground + (0.90 - ground) * near * (1 - gone) - 0.1 * gone * (1 - gone)
    draw_shadow(canvas, (x, y + 0.9 * radius), radius)
    draw_ball(canvas, (x, y), radius, plan.look.accent, 2.2 * near)


def _green_light(canvas: Canvas, plan: ClipPlan, t: float) -> None:
    draw_crossing(canvas, plan.look.horizon)
    side = -1 if plan.look.flip else 1
    foot = (side * 0.35 * canvas.half_width, plan.look.horizon + 0.22)
    draw_traffic_light(canvas, foot, 0.52 * plan.look.scale, 1.0 if t >= plan.event_seconds - 0.1 else 0.0)


def _fireworks(canvas: Canvas, plan: ClipPlan, t: float) -> None:
    w = canvas.half_width
    colours: tuple[Colour, ...] = (
        (255, 120, 90),
        (120, 220, 255),
        (255, 220, 90),
        (190, 130, 255),
        (130, 255, 150),
    )
    for k in range(4):
        x = w * (-0.55, 0.45, 0.0, 0.7)[(k + plan.look.backdrop_seed) % 4]
        top = 0.16 + 0.09 * ((k * 7 + plan.look.backdrop_seed) % 3)
        burst = plan.event_seconds - 0.15 + 0.28 * k
        climb = (t - burst + 0.55) / 0.55
        if 0 < climb < 1:
            draw_rocket(canvas, (x, plan.look.horizon + (top - plan.look.horizon) * climb), 0.06)
        age = (t - burst) / 0.9
        if 0 < age < 1:
            draw_burst(canvas, (x, top), 0.24, colours[(k + plan.look.backdrop_seed) % 5], age)


def _gesture(
    canvas: Canvas,
    plan: ClipPlan,
    t: float,
    face: Face,
    hands: tuple[Point, Point],
    hand_sizes: tuple[float, float] = (1.0, 1.0),
    open_palms: bool = False,
) -> Figure:
    """Someone who has walked up and now does something with their hands."""
    near = _coming(plan, t, 1.1, arrival=-0.5)
    walker = _walker(canvas, plan, t, _fit(canvas, plan, 0.8 + 0.3 * near), near, face)
    fields = {**vars(walker), "hands": hands, "hand_sizes": hand_sizes, "open_palms": open_palms}
    figure = Figure(**fields)
    draw_figure(canvas, figure, plan.look)
    return figure


def _walker(canvas: Canvas, plan: ClipPlan, t: float, height: float, near: float, face: Face) -> Figure:
    """A figure on the ground that walks while it comes nearer."""
    walking = 1.0 if 0 < near < 1 else 0.0
    phase = 2 * math.pi * 1.8 * t
    feet_y = plan.look.horizon + _EYE_SHARE * height + 0.008 * height * walking * abs(math.sin(phase))
    swing = 0.03 * walking * math.sin(phase)
    hands = ((HANGING[0] + swing, HANGING[1]), (HANGING[0] - swing, HANGING[1]))
    return Figure(plan.look.offset_x, feet_y, height, face, hands, walk_phase=phase, walk_swing=walking)


def _progress(plan: ClipPlan, t: float, begin: float, end: float) -> float:
    """Eased 0..1 between two times, in seconds from the event."""
    return smoothstep((t - plan.event_seconds - begin) / (end - begin))


def _coming(plan: ClipPlan, t: float, seconds: float, arrival: float = 0.0, late: float = 1.0) -> float:
    """0 far away .. 1 arrived, `arrival` seconds after the event; `late` > 1 keeps it far for longer."""
    return float(_progress(plan, t, arrival - seconds * plan.pace, arrival) ** late)


def _fit(canvas: Canvas, plan: ClipPlan, height: float) -> float:
    """Scales a height so that narrow pictures still hold it."""
    return height * plan.look.scale * min(max(canvas.half_width / 0.56, 0.72), 1.0)


def _side_x(canvas: Canvas, plan: ClipPlan, share: float) -> float:
    """x on the side of the picture where the clip's event happens, as a share of half the width."""
    return (-share if plan.seen_side == "left" else share) * canvas.half_width


def _hand_position(figure: Figure, side: int) -> Point:
    """Where a figure's hand is in the picture."""
    sign = (-1, 1)[side]
    dx, dy = figure.hands[side]
    return figure.x + sign * (0.135 + dx) * figure.height, figure.feet_y - (0.685 + dy) * figure.height


def _blend(a: Point, b: Point, share: float) -> Point:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


_SCENES: dict[str, Scene] = {
    "approach_angry": _approach(ANGRY),
    "approach_neutral": _approach(NEUTRAL),
    "approach_happy": _approach(HAPPY),
    "open_arms": _open_arms,
    "bow": _bow,
    "throw_ball": _throw_ball,
    "high_five": _high_five,
    "punch": _punch,
    "dog_comes_near": _dog_comes_near,
    "lion_charges": _lion_charges,
    "bird_swoops": _bird_swoops,
    "car_comes": _car_comes,
    "ball_rolls": _ball_rolls,
    "green_light": _green_light,
    "fireworks": _fireworks,
}
