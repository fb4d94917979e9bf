"""Names the reaction in a motion, by plain geometry: which of MiniViMo's reactions, on which side, from when on.

There is no learned part in it, so it can tell whether a generated motion is the right answer to a clip. A motion that
no rule fits, or that is no body at all, is `UNCLEAR`.

Sides are the moving person's own. They mean the hand of `raise_hand` and `crouch_and_pet`, the foot of `kick`, where
the hands of `catch` go, and the direction of `sidestep`; every other reaction has side "none".
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hero_core.errors import InputError
from hero_core.minivimo.signals import BASELINE_SECONDS, Array, Signals, is_a_body, smoothed
from hero_core.motion.format import FPS, JOINT_COUNT
from hero_core.records import Side

UNCLEAR = "unclear"
SHORTEST_FRAMES = 10
"""Of a motion that can be judged."""

_LEAST_RISE = 0.1  # metres, and a tenth of a right angle for the trunk


@dataclass(frozen=True)
class Verdict:
    """What a motion does. `onset_seconds` is when it begins, and 0 for `stand` and `UNCLEAR`."""

    reaction: str
    side: Side
    onset_seconds: float


def judge(joints: ArrayLike, fps: float = FPS) -> Verdict:
    """Names the reaction in `joints` (n, 22, 3): HumanML3D order, metres, Y up, any place and heading.

    Raises:
        InputError: not (n, 22, 3), fewer than 10 frames, or values that are not finite.
    """
    positions = np.asarray(joints, np.float64)
    expected = (JOINT_COUNT, 3)
    if positions.ndim != 3 or positions.shape[1:] != expected or len(positions) < SHORTEST_FRAMES:
        raise InputError(f"the judge takes joints (n >= {SHORTEST_FRAMES}, 22, 3), got {positions.shape}")
    if not np.isfinite(positions).all():
        raise InputError("the judge takes finite joints; these hold NaN or infinity")
    positions = smoothed(positions, fps)
    if not is_a_body(positions):
        return Verdict(UNCLEAR, "none", 0.0)
    seen = Signals.of(positions, fps)
    for name, rule in _RULES:
        found = rule(seen)
        if found is None:
            continue
        if found.drive is None:
            return Verdict(name, found.side, 0.0)
        if _rise(found.drive, fps) < _LEAST_RISE:
            break  # kept up from the first frame on: a pose, not a reaction
        return Verdict(name, found.side, max(_onset(found.drive, fps) - found.lead_seconds, 0.0))
    return Verdict(UNCLEAR, "none", 0.0)


@dataclass(frozen=True)
class Found:
    """A rule fits.

    `drive` is the curve that shows how the movement sets in (None: nothing moves), and `lead_seconds` how long people
    prepare before it does: bend the knees for a jump, draw the foot back for a kick.
    """

    drive: Array | None
    side: Side = "none"
    lead_seconds: float = 0.0


Rule = Callable[[Signals], Found | None]


def _jump_back(s: Signals) -> Found | None:
    if s.kept(-s.forward) > 0.25 and s.kept(s.airborne) > 0.09:
        return Found((-s.forward).clip(max=0.4), lead_seconds=0.24)
    return None


def _walk_forward(s: Signals) -> Found | None:
    return Found(_leading_foot(s, axis=2, sign=1)) if s.kept(s.forward) > 0.35 else None


def _step_back(s: Signals) -> Found | None:
    return Found(_leading_foot(s, axis=2, sign=-1)) if s.kept(-s.forward) > 0.22 else None


def _sidestep(s: Signals) -> Found | None:
    if s.kept(np.abs(s.leftward)) < 0.25:
        return None
    left = bool(s.leftward[np.argmax(np.abs(s.leftward))] > 0)
    return Found(_leading_foot(s, axis=0, sign=1 if left else -1), _side(left))


def _kick(s: Signals) -> Found | None:
    swing = np.where(s.foot_up > 0.12, s.foot_ahead, 0.0)  # (n, 2) a lifted foot in front of the body
    foot = int(np.argmax(swing.max(axis=0)))
    if s.kept(swing[:, foot]) < 0.2:
        return None
    return Found(s.foot_path[:, foot, 2].clip(min=0.0), _side(foot == 0), lead_seconds=0.33)


def _shield_head(s: Signals) -> Found | None:
    if s.kept(np.minimum(s.drop / 0.17, (s.raised.min(axis=1) + 0.35) / 0.2)) < 1:  # low, and both hands up
        return None
    return Found(s.hand_travel.mean(axis=1))


def _crouch_and_pet(s: Signals) -> Found | None:
    if s.kept(s.drop) < 0.22:
        return None
    down = s.drop > 0.8 * s.kept(s.drop)
    reach = s.reach[down].mean(axis=0)
    return Found(s.drop, _side(bool(reach[0] > reach[1])))


def _bow(s: Signals) -> Found | None:
    return Found(s.lean / 90) if s.kept(s.lean) > 30 else None


def _cheer(s: Signals) -> Found | None:
    return Found(s.hand_travel.mean(axis=1)) if s.kept(s.raised.min(axis=1)) > 0.15 else None


def _block(s: Signals) -> Found | None:
    guarding = np.minimum((s.raised.min(axis=1) + 0.34) / 0.2, 0.42 / np.maximum(s.apart, 0.01))
    return Found(s.hand_travel.mean(axis=1)) if s.kept(guarding) > 1 else None


def _wave(s: Signals) -> Found | None:
    hand = _raised_hand(s)
    if hand is None or _pointed_forward(s, hand):
        return None
    return Found(s.hand_travel[:, hand].clip(max=0.6))


def _raise_hand(s: Signals) -> Found | None:
    hand = _raised_hand(s)
    if hand is None or not _pointed_forward(s, hand):
        return None
    return Found(s.hand_travel[:, hand].clip(max=0.65), _side(hand == 0))


def _catch(s: Signals) -> Found | None:
    caught = (s.reach.min(axis=1) > 0.16) & (s.apart < 0.44)
    if s.kept(np.where(caught, np.abs(s.lateral), 0.0)) < 0.1:
        return None
    left = bool(s.lateral[caught][np.argmax(np.abs(s.lateral[caught]))] > 0)
    return Found(s.hand_travel.mean(axis=1), _side(left))


def _hug(s: Signals) -> Found | None:
    wide = np.minimum(s.reach.min(axis=1) / 0.22, s.apart / 0.45)
    return Found(s.hand_travel.mean(axis=1)) if s.kept(wide) > 1 else None


def _stand(s: Signals) -> Found | None:
    """Nothing happens: feet, trunk and hands stay where they are, and the hands hang."""
    if s.kept(s.raised.max(axis=1)) > -0.3:
        return None
    travel = max(s.kept(np.abs(s.forward)), s.kept(np.abs(s.leftward)))
    feet = s.kept(np.linalg.norm(s.foot_path, axis=-1).max(axis=1))
    hands = s.kept(s.hand_travel.max(axis=1))
    still = (
        travel < 0.15
        and feet < 0.18
        and hands < 0.25
        and s.kept(s.drop) < 0.12
        and s.kept(np.abs(s.lean)) < 20
    )
    return Found(None) if still else None


# The first rule that fits decides: whole-body movements before those of the hands.
_RULES: tuple[tuple[str, Rule], ...] = (
    ("jump_back", _jump_back),
    ("walk_forward", _walk_forward),
    ("step_back", _step_back),
    ("sidestep", _sidestep),
    ("kick", _kick),
    ("shield_head", _shield_head),
    ("crouch_and_pet", _crouch_and_pet),
    ("bow", _bow),
    ("cheer", _cheer),
    ("block", _block),
    ("raise_hand", _raise_hand),
    ("wave", _wave),
    ("catch", _catch),
    ("hug", _hug),
    ("stand", _stand),
)


def _raised_hand(s: Signals) -> int | None:
    """The hand that is up while the other one hangs, or None."""
    for hand in (0, 1):
        one_up = np.minimum(s.raised[:, hand] + 0.17, -0.3 - s.raised[:, 1 - hand])
        if s.kept(one_up) > 0:
            return hand
    return None


def _pointed_forward(s: Signals, hand: int) -> bool:
    """Whether the raised hand is in front of the shoulder rather than beside it."""
    high = s.raised[:, hand] > max(-0.25, s.kept(s.raised[:, hand]) - 0.08)
    return bool(np.mean(s.reach[high, hand] - s.outward[high, hand]) > 0.14)


def _leading_foot(s: Signals, axis: int, sign: int) -> Array:
    """(n,) how far the foot that goes first has gone."""
    return np.asarray((sign * s.foot_path[..., axis]).max(axis=1).clip(max=0.35))


def _side(left: bool) -> Side:
    return "left" if left else "right"


def _rise(drive: Array, fps: float) -> float:
    """How much a movement's curve goes up, from how it is at the start."""
    return float(drive.max() - np.median(drive[: max(round(BASELINE_SECONDS * fps), 1)]))


def _onset(drive: Array, fps: float) -> float:
    """Second in which a movement sets in, from the curve of how far it has come.

    Human movements start smoothly. A line through 25 % and 70 % of a minimum-jerk curve (Flash and Hogan 1985), drawn
    back by 1.44 times the time between the two, hits its start, whatever the movement's size and speed. A little less
    makes up for the smoothing.
    """
    share = 1.0 + (drive - drive.max()) / _rise(drive, fps)
    t25, t70 = _last_below(share, 0.25), _last_below(share, 0.70)
    return (t25 - min(1.2 * (t70 - t25), 0.3 * fps)) / fps


def _last_below(share: Array, level: float) -> float:
    """When (in frames) a curve that has come up to 0.85 was last below `level`."""
    frame = int(np.argmax(share >= 0.85))
    while frame > 0 and share[frame - 1] >= level:
        frame -= 1
    return _crossing(share, frame, level)


def _crossing(curve: Array, frame: int, level: float) -> float:
    """Where between `frame - 1` and `frame` a rising curve passes `level`."""
    if frame == 0:
        return 0.0
    before, after = curve[frame - 1], curve[frame]
    return frame - float(np.clip((after - level) / max(after - before, 1e-9), 0.0, 1.0))
