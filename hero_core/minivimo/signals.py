"""The few curves over time by which a reaction is recognised: where pelvis, trunk, hands and feet are.

Everything is measured in the body's own axes, and heights against what the motion itself shows, so that place,
heading, a slow drift and some jitter do not matter. Metres, degrees, Y up; HumanML3D's 22 joints.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BASELINE_SECONDS = 0.4
_SMOOTHING_SECONDS = 0.09
_PELVIS, _NECK, _HEAD = 0, 12, 15
_ANKLES, _TOES, _SHOULDERS, _WRISTS = [7, 8], [10, 11], [16, 17], [20, 21]  # left, right
_LIMBS = ((1, 4), (2, 5), (4, 7), (5, 8), (16, 18), (17, 19), (18, 20), (19, 21))


@dataclass(frozen=True)
class Signals:
    """The few curves over time that the rules look at. Pairs are left, right; metres, degrees.

    Attributes:
        forward, leftward: (n,) path of the pelvis, along the body's axes at the start.
        drop: (n,) how much lower the pelvis is above the lower foot than when standing.
        airborne: (n,) how high the lower foot is above the floor.
        lean: (n,) how far the trunk tips forward.
        raised: (n, 2) wrists above the head joint.
        reach: (n, 2) wrists in front of their shoulders.
        outward: (n, 2) wrists beside their shoulders, away from the body.
        lateral: (n,) both wrists' middle to the left of the neck.
        apart: (n,) distance between the wrists.
        hand_travel: (n, 2) wrists' distance from where they were at the start, relative to the chest.
        foot_ahead, foot_up: (n, 2) ankles in front of the pelvis, and above the other ankle.
        foot_path: (n, 2, 3) ankles' way from where they were: leftward, up, forward at the start.
    """

    forward: Array
    leftward: Array
    drop: Array
    airborne: Array
    lean: Array
    raised: Array
    reach: Array
    outward: Array
    lateral: Array
    apart: Array
    hand_travel: Array
    foot_ahead: Array
    foot_up: Array
    foot_path: Array
    fps: float

    @classmethod
    def of(cls, p: Array, fps: float) -> "Signals":
        """Measures joints (n, 22, 3)."""
        start = max(round(BASELINE_SECONDS * fps), 1)
        axes = _body_axes(p)  # (n, 3, 3): rows left, up, forward
        axes_at_start = np.linalg.svd(axes[:start].mean(axis=0))
        first_axes = axes_at_start.U @ axes_at_start.Vh  # the rotation nearest to the mean
        path = (p[:, _PELVIS] - p[:start, _PELVIS].mean(axis=0)) @ first_axes.T
        ankles = p[:, _ANKLES]
        low = ankles[..., 1].min(axis=1)
        soles = 0.5 * (ankles + p[:, _TOES])[..., 1].min(axis=1)
        extension = p[:, _PELVIS, 1] - low
        trunk = _along(axes, p[:, _NECK] - p[:, _PELVIS])
        arms = _along(axes, p[:, _WRISTS] - p[:, _SHOULDERS])  # (n, 2, 3)
        hands = _along(axes, p[:, _WRISTS] - p[:, [_NECK]])
        feet = _along(axes, ankles - p[:, [_PELVIS]])
        return cls(
            forward=path[:, 2],
            leftward=path[:, 0],
            drop=np.percentile(extension, 90) - extension,
            airborne=soles - _floor(soles, round(0.6 * fps)),
            lean=np.degrees(np.arctan2(trunk[:, 2], trunk[:, 1])),
            raised=p[:, _WRISTS, 1] - p[:, [_HEAD], 1],
            reach=arms[..., 2],
            outward=arms[..., 0] * [1, -1],
            lateral=hands[..., 0].mean(axis=1),
            apart=np.linalg.norm(hands[:, 0] - hands[:, 1], axis=-1),
            hand_travel=np.linalg.norm(hands - hands[:start].mean(axis=0), axis=-1),
            foot_ahead=feet[..., 2],
            foot_up=ankles[..., 1] - ankles[:, ::-1, 1],
            foot_path=(ankles - ankles[:start].mean(axis=0)) @ first_axes.T,
            fps=fps,
        )

    def kept(self, curve: Array) -> float:
        """The highest level that a curve (n,) keeps for 0.15 s, so that a single odd frame decides nothing."""
        width = min(max(round(0.15 * self.fps), 1), len(curve))
        return float(np.lib.stride_tricks.sliding_window_view(curve, width).min(axis=-1).max())


def is_a_body(p: Array) -> bool:
    """Whether arms and legs keep about human lengths: a noise motion does not."""
    lengths = np.stack([np.linalg.norm(p[:, a] - p[:, b], axis=-1) for a, b in _LIMBS])  # (8, n)
    usual = np.median(lengths, axis=1, keepdims=True)
    steady = np.mean(np.abs(lengths - usual) / np.maximum(usual, 1e-6)) < 0.2
    return bool(steady and usual.min() > 0.12 and usual.max() < 0.8)


def smoothed(p: Array, fps: float) -> Array:
    """Joints blurred over time by a Gaussian."""
    sigma_frames = _SMOOTHING_SECONDS * fps
    reach = max(int(np.ceil(3 * sigma_frames)), 1)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_frames) ** 2)
    padded = np.pad(p, ((reach, reach), (0, 0), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)  # (n, 22, 3, window)
    return np.asarray(windows @ (weights / weights.sum()))


def _body_axes(p: Array) -> Array:
    """(n, 3, 3) rows left, up, forward: level, by the line across hips and shoulders."""
    across = p[:, 1] - p[:, 2] + p[:, 16] - p[:, 17]
    left = across * [1.0, 0.0, 1.0]
    left /= np.maximum(np.linalg.norm(left, axis=-1, keepdims=True), 1e-9)
    up = np.broadcast_to([0.0, 1.0, 0.0], left.shape)
    return np.stack([left, up, np.cross(left, up)], axis=1)


def _along(axes: Array, vectors: Array) -> Array:
    """Vectors (n, 3) or (n, k, 3) in the axes (n, 3, 3) of each frame."""
    return np.asarray(np.einsum("nij,n...j->n...i", axes, vectors))


def _floor(heights: Array, reach: int) -> Array:
    """(n,) the lowest height within +- `reach` frames; follows a motion whose height drifts."""
    padded = np.pad(heights, reach, mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).min(axis=-1))
