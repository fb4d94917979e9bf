"""What one frame of a clip shows, in numbers: the truth that an encoder of single frames can learn from.

Read off the same view that is drawn, so picture and numbers cannot disagree.
"""

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.minivimo.plan import ClipPlan
from pipeline.minivimo.scenes import view_at
from pipeline.minivimo.view import Figure, Point, Thing, ThingKind, View

_PERSON_FIELDS = (
    "person_shown",
    "person_height",
    "person_x",
    "face_slant",
    "face_smile",
    "bow",
    "open_palms_shown",
    *(f"{side}_hand_{what}" for side in ("left", "right") for what in ("out", "up", "size")),
)
_KINDS: tuple[ThingKind, ...] = get_args(ThingKind)

SIGHT_FIELDS: tuple[str, ...] = (
    *_PERSON_FIELDS,
    *(f"{kind}_{what}" for kind in _KINDS for what in ("shown", "size", "x", "y")),
    "light_red_shown",
    "light_green_shown",
    "burst_shown",
)

PLACES: tuple[str, ...] = (*_KINDS, "face", "left_hand", "right_hand")
"""What `places` finds in the picture."""

_HAND_REACH = 0.36  # of a figure's height, an arm's length
_LARGEST_HAND = 4.0  # times its usual size


def sight(plan: ClipPlan, time_seconds: float) -> NDArray[np.float32]:
    """(len(SIGHT_FIELDS),) what the frame at `time_seconds` shows, and nothing of what came before or will follow.

    Fields that end in `_shown` are 0 or 1 (`burst_shown`: 1 as it flashes, falling to 0), the others are 0 for what
    is not shown. Heights and sizes count in picture heights, of a person in 1.6 of them; x from -1 at the left edge
    of the picture to 1 at the right, y from -1 at its top to 1 at its bottom; hands out and up from their shoulder in
    arm's lengths, their sizes from 0 (usual) to 1 (a fist right before the camera). Left and right are the picture's.
    Only what the clip is about counts, not the irrelevant things far away.
    """
    view = view_at(plan, time_seconds)
    values = [
        *_person(view.person, plan.half_width),
        *(number for kind in _KINDS for number in _thing(view, kind, plan.half_width)),
        float(view.light is not None and not view.light.green),
        float(view.light is not None and view.light.green),
        max((1 - burst.age for burst in view.bursts), default=0.0),
    ]
    return np.array(values, np.float32)


def places(plan: ClipPlan, time_seconds: float) -> NDArray[np.float32]:
    """(len(PLACES), 2) where the middle of each is in the frame at `time_seconds`, NaN where it is not in the picture.

    x and y count as in `sight`.
    """
    view = view_at(plan, time_seconds)
    found: dict[str, Point] = {thing.kind: thing.middle for thing in reversed(view.things)}
    if (person := view.person) is not None:
        found["face"] = person.head_position
        found["left_hand"], found["right_hand"] = person.hand_position(0), person.hand_position(1)
    points = np.array([found.get(name, (np.nan, np.nan)) for name in PLACES]) * (1 / plan.half_width, 2)
    points[:, 1] -= 1
    points[(np.abs(points) > 1).any(axis=1)] = np.nan
    return points.astype(np.float32)


def _person(person: Figure | None, half_width: float) -> list[float]:
    if person is None:
        return [0.0] * len(_PERSON_FIELDS)
    hands = [
        number
        for (out, up), size in zip(person.hands, person.hand_sizes, strict=True)
        for number in (out / _HAND_REACH, up / _HAND_REACH, (size - 1) / (_LARGEST_HAND - 1))
    ]
    return [
        1.0,
        person.height / 1.6,
        person.x / half_width,
        person.face.slant,
        person.face.smile,
        person.bow,
        float(person.open_palms),
        *hands,
    ]


def _thing(view: View, kind: ThingKind, half_width: float) -> list[float]:
    seen = [thing for thing in view.things if thing.kind == kind and _in_picture(thing, half_width)]
    if not seen:
        return [0.0] * 4
    x, y = seen[0].middle
    return [1.0, seen[0].size, x / half_width, 2 * y - 1]


def _in_picture(thing: Thing, half_width: float) -> bool:
    """Whether its middle is in the picture."""
    x, y = thing.middle
    return abs(x) <= half_width and 0 <= y <= 1
