"""The fifteen reactions, written as choreographies. Sides are the person's own."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from pipeline.minivimo.choreography import (
    CHANNELS,
    LEFT_HAND,
    RIGHT_HAND,
    Choreography,
    Hand,
    Pose,
    Rhythm,
    Step,
)


@dataclass(frozen=True)
class Style:
    """How one motion is done, so that many different motions fit one clip.

    Attributes:
        rest: the pose before the reaction and after it.
        size: about 1, how big the movement is.
        tempo: about 1, how slow it is.
        hold_seconds: how long the main pose is kept.
        hand_shift: where the hands deviate from the main pose, metres, (outward, up, forward).
        rate_hz: of rhythmic parts (waving, patting).
        left_handed: which hand or foot goes first where nothing else decides it.
        available_seconds: from the onset to the end of the clip.
    """

    rest: Pose
    size: float
    tempo: float
    hold_seconds: float
    hand_shift: Hand
    rate_hz: float
    left_handed: bool
    available_seconds: float


def choreograph(reaction: str, side: str, style: Style) -> Choreography:
    """The choreography of a reaction. `side` matters for the sided ones only."""
    left = style.left_handed if side == "none" else side == "left"
    return _REACTIONS[reaction](style, left)


def _stand(style: Style, left: bool) -> Choreography:
    shift = 0.012 if left else -0.012
    looking = replace(style.rest, x=style.rest.x + shift, nod=style.rest.nod - 4 * style.size)
    return Choreography([(0.0, style.rest), (1.2, looking)])


def _step_back(style: Style, left: bool) -> Choreography:
    rest, first = style.rest, 0 if left else 1
    stride, each = -0.42 * style.size, 0.36 * style.tempo
    hand = _shifted((0.10, -0.36, 0.22), style)
    wary = replace(rest, y=-0.03, pitch=rest.pitch - 4, left=hand, right=hand)
    steps = [
        Step(first, 0.02, 0.02 + each, dz=stride, lift=0.07),
        Step(1 - first, 0.9 * each, 1.9 * each, dz=stride, lift=0.07),
    ]
    return Choreography(_there_and_back(style, wary, rise=0.5), steps)


def _wave(style: Style, left: bool) -> Choreography:
    hand = _shifted((0.24, 0.24 * style.size, 0.12), style)
    waving = _one_hand(replace(style.rest, nod=style.rest.nod - 3), hand, left)
    channel = (LEFT_HAND if left else RIGHT_HAND).start
    stop = 0.45 + style.hold_seconds + 0.6
    rhythm = Rhythm(channel, 0.32 * style.tempo, stop, 0.13 * style.size, style.rate_hz)
    return Choreography(
        _there_and_back(style, waving, rise=0.42, hold=style.hold_seconds + 0.65), rhythms=[rhythm]
    )


def _hug(style: Style, left: bool) -> Choreography:
    del left
    wide, close = _shifted((0.27 * style.size, 0.0, 0.36), style), _shifted((0.12, -0.04, 0.42), style)
    open_arms = replace(style.rest, pitch=style.rest.pitch + 4, left=wide, right=wide)
    closing = replace(style.rest, pitch=style.rest.pitch + 9, z=0.03, left=close, right=close)
    rise, hold = 0.5 * style.tempo, style.hold_seconds
    keys = [(0.0, style.rest), (rise, open_arms), (rise + 0.25, open_arms), (rise + 0.65, closing)]
    keys += [(rise + 0.65 + hold, closing), (rise + 1.35 + hold, style.rest)]
    return Choreography(keys)


def _bow(style: Style, left: bool) -> Choreography:
    del left
    low = (style.rest.left[0], -0.46, 0.16)
    down = replace(style.rest, z=-0.07, pitch=58 * style.size, nod=10.0, left=low, right=low)
    return Choreography(_there_and_back(style, down, rise=0.62))


def _catch(style: Style, left: bool) -> Choreography:
    rise = 0.38 * style.tempo
    near, far = _shifted((0.14, -0.05, 0.40), style), (-0.25, -0.05, 0.37)
    near_in, far_in = (0.13, -0.20, 0.29), (-0.25, -0.20, 0.27)
    lean = (1 if left else -1) * style.size
    reach = replace(style.rest, twist=16 * lean, roll=-5 * lean, x=0.03 * lean, left=near, right=far)
    hold = replace(style.rest, twist=14 * lean, left=near_in, right=far_in)
    if not left:
        reach, hold = _hands_swapped(reach), _hands_swapped(hold)
    end = rise + 0.5 + style.hold_seconds
    keys = [(0.0, style.rest), (rise, reach), (rise + 0.22, reach), (rise + 0.5, hold)]
    return Choreography([*keys, (end, hold), (end + 0.6, style.rest)])


def _raise_hand(style: Style, left: bool) -> Choreography:
    rise, hold = 0.45 * style.tempo, style.hold_seconds
    up = _one_hand(style.rest, _shifted((0.02, 0.17 * style.size, 0.36), style), left)
    clap = _one_hand(replace(style.rest, z=0.02), _shifted((0.02, 0.17 * style.size, 0.45), style), left)
    keys = [(0.0, style.rest), (rise, up), (rise + 0.12, up), (rise + 0.28, clap), (rise + 0.45, up)]
    return Choreography([*keys, (rise + 0.45 + hold, up), (rise + 1.05 + hold, style.rest)])


def _block(style: Style, left: bool) -> Choreography:
    hand = _shifted((-0.10, 0.12 * style.size, 0.26), style)
    turn = 6.0 if left else -6.0
    guard = replace(style.rest, y=-0.05, z=-0.04, pitch=-6.0, nod=10.0, twist=turn, left=hand, right=hand)
    return Choreography(_there_and_back(style, guard, rise=0.36))


def _crouch_and_pet(style: Style, left: bool) -> Choreography:
    patting, knee = _shifted((0.15, -0.24, 0.40), style), (-0.04, -0.38, 0.14)
    low = replace(style.rest, y=-0.41 * style.size, z=-0.06, pitch=34.0, nod=-8.0, left=patting, right=knee)
    lean = 1 if left else -1  # towards the animal
    low = replace(low if left else _hands_swapped(low), twist=18.0 * lean, roll=-6.0 * lean)
    rise, hold = 0.72 * style.tempo, style.hold_seconds + 0.9
    hand = (LEFT_HAND if left else RIGHT_HAND).start
    rhythm = Rhythm(hand + 1, 0.8 * rise, rise + hold, 0.045, style.rate_hz)
    return Choreography(_there_and_back(style, low, rise=0.72, hold=hold), rhythms=[rhythm])


def _jump_back(style: Style, left: bool) -> Choreography:
    del left
    rest, far = style.rest, -0.55 * style.size
    hand = _shifted((0.22, -0.12, 0.26), style)
    load = replace(rest, y=-0.12, pitch=10.0)
    air = replace(rest, y=0.15 * style.size, pitch=4.0, left=hand, right=hand)
    land = replace(rest, y=-0.15, pitch=14.0, left=hand, right=hand)
    keys = [(0.0, rest), (0.22, load), (0.46, air), (0.74, land), (0.95, land), (1.35, rest)]
    steps = [Step(foot, 0.26, 0.70, dz=far, lift=0.21 * style.size) for foot in (0, 1)]
    return Choreography([(time * style.tempo, pose) for time, pose in keys], _slower(steps, style.tempo))


def _shield_head(style: Style, left: bool) -> Choreography:
    del left
    hand = _shifted((-0.08, 0.30, 0.06), style)
    duck = replace(style.rest, y=-0.31 * style.size, z=-0.03, pitch=26.0, nod=16.0, left=hand, right=hand)
    return Choreography(_there_and_back(style, duck, rise=0.52))


def _sidestep(style: Style, left: bool) -> Choreography:
    sign, first, each = (1, 0, 0.40 * style.tempo) if left else (-1, 1, 0.40 * style.tempo)
    reach = sign * 0.48 * style.size
    hand = _shifted((0.20, -0.38, 0.12), style)
    leaning = replace(style.rest, y=-0.04, roll=-3.0 * sign, left=hand, right=hand)
    steps = [
        Step(first, 0.02, 0.02 + each, dx=reach, lift=0.08),
        Step(1 - first, 0.85 * each, 1.85 * each, dx=reach, lift=0.07),
    ]
    return Choreography(_there_and_back(style, leaning, rise=0.4, hold=0.3), steps)


def _kick(style: Style, left: bool) -> Choreography:
    rest, foot, sign = style.rest, (0 if left else 1), (1 if left else -1)
    out = (0.26, -0.38, 0.10)
    load = replace(rest, x=-0.07 * sign, y=-0.04, pitch=8.0, left=out, right=out)
    swing = replace(rest, x=-0.08 * sign, y=-0.02, pitch=-6.0, left=out, right=out)
    keys = [(0.0, rest), (0.28, load), (0.56, swing), (0.70, swing), (1.15, rest)]
    big = style.size
    steps = [
        Step(foot, 0.04, 0.30, dz=-0.20 * big, lift=0.03, height=0.10, carries=False),
        Step(foot, 0.30, 0.60, dz=0.68 * big, lift=-0.02, height=0.30 * big, carries=False),
        Step(foot, 0.64, 1.08, dz=-0.48 * big, lift=0.0, height=0.0, carries=False),
    ]
    return Choreography([(time * style.tempo, pose) for time, pose in keys], _slower(steps, style.tempo))


def _walk_forward(style: Style, left: bool) -> Choreography:
    each, stride, foot = 0.44 * style.tempo, 0.33 * style.size, 0 if left else 1
    count = max(3, min(7, int((style.available_seconds - 0.2) / each)))
    lengths = [stride] + [2 * stride] * (count - 2) + [stride]
    if count % 2:  # the foot that is behind closes up
        lengths[-1] = stride
    steps = [
        Step((foot + k) % 2, 0.02 + 0.92 * k * each, 0.02 + (0.92 * k + 1) * each, dz=length, lift=0.09)
        for k, length in enumerate(lengths)
    ]
    end = steps[-1].end
    going = replace(style.rest, y=-0.015, pitch=style.rest.pitch + 3)
    swing = 1 if left else -1  # arms swing against the legs
    rhythms = [
        Rhythm(hand.stop - 1, 0.0, end, sign * swing * 0.13, 0.5 / (0.92 * each))
        for hand, sign in ((LEFT_HAND, -1), (RIGHT_HAND, 1))
    ]
    return Choreography(
        [(0.0, style.rest), (0.4, going), (end, going), (end + 0.4, style.rest)], steps, rhythms
    )


def _cheer(style: Style, left: bool) -> Choreography:
    del left
    hand = _shifted((0.16, 0.44, 0.05), style)
    joy = replace(style.rest, pitch=-3.0, nod=-12.0, left=hand, right=hand)
    hold = style.hold_seconds + 0.5
    rhythms = [
        Rhythm(hand_slice.start + 1, 0.5 * style.tempo, 0.5 + hold, 0.05, style.rate_hz)
        for hand_slice in (LEFT_HAND, RIGHT_HAND)
    ]
    rhythms.append(Rhythm(CHANNELS["y"], 0.5 * style.tempo, 0.5 + hold, 0.012, style.rate_hz))
    return Choreography(_there_and_back(style, joy, rise=0.58, hold=hold), rhythms=rhythms)


def _there_and_back(
    style: Style, pose: Pose, rise: float, hold: float | None = None
) -> list[tuple[float, Pose]]:
    """Rest, the main pose for a while, rest again."""
    begin = rise * style.tempo
    end = begin + (style.hold_seconds if hold is None else hold)
    return [(0.0, style.rest), (begin, pose), (end, pose), (end + 0.65 * style.tempo, style.rest)]


def _slower(steps: list[Step], tempo: float) -> list[Step]:
    return [replace(step, start=step.start * tempo, end=step.end * tempo) for step in steps]


def _shifted(hand: Hand, style: Style) -> Hand:
    out, up, forward = (a + b for a, b in zip(hand, style.hand_shift, strict=True))
    return out, up, forward


def _one_hand(pose: Pose, hand: Hand, left: bool) -> Pose:
    return replace(pose, left=hand) if left else replace(pose, right=hand)


def _hands_swapped(pose: Pose) -> Pose:
    return replace(pose, left=pose.right, right=pose.left)


_REACTIONS: dict[str, Callable[[Style, bool], Choreography]] = {
    "step_back": _step_back,
    "stand": _stand,
    "wave": _wave,
    "hug": _hug,
    "bow": _bow,
    "catch": _catch,
    "raise_hand": _raise_hand,
    "block": _block,
    "crouch_and_pet": _crouch_and_pet,
    "jump_back": _jump_back,
    "shield_head": _shield_head,
    "sidestep": _sidestep,
    "kick": _kick,
    "walk_forward": _walk_forward,
    "cheer": _cheer,
}
