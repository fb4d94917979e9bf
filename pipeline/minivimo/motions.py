"""From a plan to a reaction that fits it."""

import numpy as np
from numpy.typing import NDArray

from hero_core.motion.canonical import face_z_plus, to_floor, to_origin
from hero_core.motion.format import FPS
from pipeline.minivimo.body import Array, pose_body
from pipeline.minivimo.choreography import Choreography, Pose, Stance, perform
from pipeline.minivimo.plan import ClipPlan
from pipeline.minivimo.reactions import Style, choreograph

_MOTION_STREAM = 100  # apart from the random streams of the plan

# How far a standing person sways, in the units and the order of Pose.channels.
_SWAY = np.array([0.008, 0.002, 0.008, 1.2, 0.8, 0.5, 1.0, 1.5] + [0.006, 0.003, 0.008] * 2)
_MAX_TURN_DEGREES = 14.0


def make_motion(plan: ClipPlan, variant: int) -> NDArray[np.float32]:
    """One fitting reaction, (n, 22, 3) joints at 20 fps: metres, Y up, starting at the origin, facing +Z.

    Variants differ in size, tempo, posture, handedness, reaction time and sway, and all fit the clip.
    """
    rng = np.random.default_rng([plan.seed, plan.index, _MOTION_STREAM, variant])
    onset = plan.event_seconds + plan.delay_seconds(variant)
    style = _sample_style(rng, plan.duration_seconds - onset)
    dance = _turned(choreograph(plan.interaction.reaction, plan.side, style), rng)
    idle = _idle(rng, plan.motion_length)
    joints = pose_body(perform(dance, _sample_stance(rng), idle, onset))
    return face_z_plus(to_origin(to_floor(joints))).astype(np.float32)


def _sample_style(rng: np.random.Generator, available_seconds: float) -> Style:
    hand = (float(rng.uniform(0.05, 0.10)), float(rng.uniform(-0.515, -0.49)), float(rng.uniform(0.0, 0.09)))
    return Style(
        rest=Pose(pitch=float(rng.uniform(0, 4)), nod=float(rng.uniform(-4, 6)), left=hand, right=hand),
        size=float(rng.uniform(0.88, 1.12)),
        tempo=float(rng.uniform(0.92, 1.15)),
        hold_seconds=float(rng.uniform(0.35, 0.9)),
        hand_shift=(float(rng.normal(0, 0.012)), float(rng.normal(0, 0.018)), float(rng.normal(0, 0.015))),
        rate_hz=float(rng.uniform(1.5, 2.1)),
        left_handed=bool(rng.random() < 0.5),
        available_seconds=available_seconds,
    )


def _sample_stance(rng: np.random.Generator) -> Stance:
    half, ahead = float(rng.uniform(0.085, 0.13)), float(rng.uniform(-0.04, 0.04))
    return Stance(feet=np.array([[half, ahead], [-half, -ahead]]), toes_out=rng.uniform(4, 16, size=2))


def _turned(dance: Choreography, rng: np.random.Generator) -> Choreography:
    """The same, with a small change of heading that begins with the reaction and stays."""
    turn = float(rng.uniform(-_MAX_TURN_DEGREES, _MAX_TURN_DEGREES))
    first, *others = dance.keys
    keys = [first, *((time, _with_yaw(pose, turn)) for time, pose in others)]
    return Choreography(keys, dance.steps, dance.rhythms)


def _with_yaw(pose: Pose, degrees: float) -> Pose:
    return Pose(**{**vars(pose), "yaw": pose.yaw + degrees})


def _idle(rng: np.random.Generator, length: int) -> Array:
    """(n, 14) slow sway: two sines of random rate and phase for every channel."""
    times = np.arange(length)[:, None] / FPS
    slow, fast = rng.uniform(0.15, 0.4, size=14), rng.uniform(0.5, 0.9, size=14)
    phases = rng.uniform(0, 2 * np.pi, size=(2, 14))
    wave = np.sin(2 * np.pi * slow * times + phases[0]) + 0.4 * np.sin(2 * np.pi * fast * times + phases[1])
    return np.asarray(_SWAY * rng.uniform(0.5, 1.2) * wave)
