"""A reaction as an animator writes it: key poses, footsteps and rhythms, in seconds from its onset."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter1d

from hero_core.motion.format import FPS
from pipeline.minivimo.body import Array, BodyTrack, ankle_height

PELVIS_HEIGHT_M = 0.945

Hand = tuple[float, float, float]  # outward, up, forward from the shoulder, metres


@dataclass(frozen=True)
class Pose:
    """Offsets from standing: pelvis to the left, up and forward in metres, angles in degrees, both wrists."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    twist: float = 0.0
    nod: float = 0.0
    left: Hand = (0.0, 0.0, 0.0)
    right: Hand = (0.0, 0.0, 0.0)

    def channels(self) -> Array:
        """(14,) all numbers of the pose, in order."""
        return np.hstack([getattr(self, field.name) for field in fields(self)])


CHANNELS = {"x": 0, "y": 1, "z": 2, "yaw": 3, "pitch": 4, "roll": 5, "twist": 6, "nod": 7}
LEFT_HAND, RIGHT_HAND = slice(8, 11), slice(11, 14)


@dataclass(frozen=True)
class Step:
    """A foot (0 left, 1 right) goes by (dx, dz) metres and ends `height` above the floor.

    `lift` is how high it arcs in between. The pelvis follows the feet unless `carries` is false.
    """

    foot: int
    start: float
    end: float
    dx: float = 0.0
    dz: float = 0.0
    lift: float = 0.08
    height: float = 0.0
    carries: bool = True


@dataclass(frozen=True)
class Rhythm:
    """A swing of one channel (0..13) by +- amplitude between two times."""

    channel: int
    start: float
    end: float
    amplitude: float
    hz: float
    phase: float = 0.0


@dataclass(frozen=True)
class Choreography:
    """Key poses (seconds from the onset, pose), footsteps and rhythms."""

    keys: Sequence[tuple[float, Pose]]
    steps: Sequence[Step] = ()
    rhythms: Sequence[Rhythm] = ()


@dataclass(frozen=True)
class Stance:
    """Where the feet stand before anything happens: (2, 2) x and z in metres, and toes outward (2,) in degrees."""

    feet: Array
    toes_out: Array


def perform(dance: Choreography, stance: Stance, idle: Array, onset_seconds: float) -> BodyTrack:
    """Play a choreography from its onset on.

    idle (n, 14): small movements that are added throughout, in the units of `Pose`.
    """
    times = np.arange(len(idle)) / FPS - onset_seconds
    channels = _key_poses(dance.keys, times) + idle
    for rhythm in dance.rhythms:
        envelope = _eased((times - rhythm.start) / 0.2) * _eased((rhythm.end - times) / 0.2)
        wave = np.sin(2 * np.pi * rhythm.hz * (times - rhythm.start) + rhythm.phase)
        channels[:, rhythm.channel] += rhythm.amplitude * envelope * wave
    feet, carried = _footsteps(dance.steps, stance, times)

    pelvis = channels[:, :3].copy()
    pelvis[:, 1] += PELVIS_HEIGHT_M
    pelvis[:, [0, 2]] += gaussian_filter1d(carried.mean(axis=1), 2.0, axis=0, mode="nearest")
    angles = np.radians(channels[:, 3:8])
    above_floor = feet[..., 1].copy()
    feet[..., 1] += [ankle_height(0), ankle_height(1)]
    return BodyTrack(
        pelvis=pelvis,
        yaw=angles[:, 0],
        pitch=angles[:, 1],
        roll=angles[:, 2],
        twist=angles[:, 3],
        nod=angles[:, 4],
        hands=np.stack([channels[:, LEFT_HAND], channels[:, RIGHT_HAND]], axis=1),
        ankles=feet,
        foot_yaw=np.broadcast_to(np.radians(stance.toes_out), above_floor.shape),
        foot_pitch=np.minimum(1.6 * above_floor, 0.35),
    )


def minimum_jerk(share: Array) -> Array:
    """0..1 with zero speed and acceleration at both ends (Flash and Hogan 1985)."""
    s = np.clip(share, 0.0, 1.0)
    return np.asarray(s**3 * (10 - 15 * s + 6 * s**2))


def _key_poses(keys: Sequence[tuple[float, Pose]], times: Array) -> Array:
    """(n, 14) channels that go from key to key."""
    channels = np.tile(keys[0][1].channels(), (len(times), 1))
    for (start, before), (end, after) in pairwise(keys):
        share = minimum_jerk((times - start) / (end - start))
        channels += share[:, None] * (after.channels() - before.channels())
    return channels


def _footsteps(steps: Sequence[Step], stance: Stance, times: Array) -> tuple[Array, Array]:
    """Feet (n, 2, 3) with their height above the floor, and the places (n, 2, 2) that the pelvis follows."""
    feet = np.zeros((len(times), 2, 3))
    feet[:, :, [0, 2]] = stance.feet
    carried = np.tile(stance.feet, (len(times), 1, 1))
    heights = [0.0, 0.0]
    for step in steps:
        share = (times - step.start) / (step.end - step.start)
        gone = minimum_jerk(share)[:, None] * [step.dx, step.dz]
        feet[:, step.foot, [0, 2]] += gone
        if step.carries:
            carried[:, step.foot] += gone
        arc = step.lift * np.sin(np.pi * np.clip(share, 0, 1)) ** 2
        feet[:, step.foot, 1] += arc + minimum_jerk(share) * (step.height - heights[step.foot])
        heights[step.foot] = step.height
    return feet, carried


def _eased(share: Array) -> Array:
    s = np.clip(share, 0.0, 1.0)
    return np.asarray(s**2 * (3 - 2 * s))
