"""How far things have come, and where they are, at a time of a plan."""

from pipeline.minivimo.plan import ClipPlan, smoothstep
from pipeline.minivimo.view import Point

EYE_SHARE = 0.88  # the eyes of a standing person are at this share of their height, and on the horizon


def progress(plan: ClipPlan, t: float, begin: float, end: float) -> float:
    """Eased 0..1 between two times, in seconds from the event."""
    return smoothstep((t - plan.event_seconds - begin) / (end - begin))


def coming(plan: ClipPlan, t: float, seconds: float, arrival: float = 0.0, late: float = 1.0) -> float:
    """0 far away .. 1 arrived, `arrival` seconds after the event; `late` > 1 keeps it far for longer."""
    return float(progress(plan, t, arrival - seconds * plan.pace, arrival) ** late)


def shortened(plan: ClipPlan, lead_seconds: float) -> float:
    """By what to multiply the times of a first event so that `lead_seconds` fit before the second one; at most 1."""
    return min(1.0, plan.event_seconds / lead_seconds)


def fitted(plan: ClipPlan, height: float) -> float:
    """Scales a height so that narrow pictures still hold it."""
    return height * plan.look.scale * min(max(plan.half_width / 0.56, 0.72), 1.0)


def side_x(plan: ClipPlan, share: float) -> float:
    """x on the side of the picture where the clip's event happens, as a share of half the width."""
    return (-share if plan.seen_side == "left" else share) * plan.half_width


def blend(a: Point, b: Point, share: float) -> Point:
    """The point `share` of the way from `a` to `b`."""
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share
