"""Feet that stand still while they stand, and do not sink into the floor.

Generated feet slide while they should stand: no loss of the method asks them not to (the paper names it as future
work). Where a foot is in contact it is held at one place, and the leg is bent anew between hip and foot. Everything
else of the motion stays as it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import binary_closing, binary_opening, gaussian_filter1d

from hero_core.errors import InputError
from hero_core.motion import rotations as rot
from hero_core.motion.format import FPS
from hero_core.motion.humanml3d import (
    CONTACTS,
    STANDING_M2,
    check_joints,
    joints_to_vectors,
    vectors_to_joints,
)
from hero_core.motion.rotations import Array

Leg = tuple[int, int, int, int]
Flags = NDArray[np.bool_]

LEGS: tuple[Leg, Leg] = ((1, 4, 7, 10), (2, 5, 8, 11))
"""Hip, knee, ankle and toe of the left and of the right leg."""

SHORTEST_CONTACT_FRAMES = 3
"""A shorter contact is taken for a slip of the generator, and so is a shorter gap between two."""

EASE_FRAMES = FPS // 2
"""How long a foot takes to leave the place where it was held, or to reach the next one."""

MOST_STRETCH = 0.03
"""So much longer or shorter a leg may become before its knee bends: a knee that is nearly straight would jump."""

STRAIGHTEST = 0.998
"""A leg is never straightened further than this share of its bones' lengths."""

# How strongly things are smoothed over time, sigmas in frames: where feet are held, and which way they point while they
# stand. Chosen on MiniViMo's validation clips: the least sliding at no more jerk.
_HOLD_SIGMA, _DIRECTION_SIGMA = 0.7, 2.0


def clean_vectors(vectors: ArrayLike) -> NDArray[np.float32]:
    """A motion in HumanML3D vectors ``(n, 263)`` after :func:`clean_feet`, by its own contacts.

    Raises:
        InputError: no such vectors, or fewer than two frames.
    """
    motion = np.asarray(vectors, np.float64)
    cleaned = clean_feet(vectors_to_joints(motion), motion[:, CONTACTS])
    following = cleaned[-1:] + (
        cleaned[-1:] - cleaned[-2:-1]
    )  # vectors hold steps, which the last frame has none of
    return joints_to_vectors(np.concatenate([cleaned, following]))


def clean_feet(joints: ArrayLike, contacts: ArrayLike) -> Array:
    """The same motion with feet that stand still while they are in contact, and stay above the floor.

    Args:
        joints: ``(n, 22, 3)``, metres, Y up, the floor at 0.
        contacts: ``(n, 4)`` of left ankle, left toe, right ankle and right toe, as in HumanML3D's vectors: more than
            0.5 where it stands. A foot that is faster than what counts as standing there does not stand.

    Returns:
        ``(n, 22, 3)``. Bones keep their lengths, those of the legs within :data:`MOST_STRETCH`.

    Raises:
        InputError: not such joints, or not one row of contacts for each frame.
    """
    positions = check_joints(joints)
    flags = np.asarray(contacts, np.float64) > 0.5
    if flags.shape != (len(positions), 4):
        raise InputError(f"{len(positions)} frames need contacts ({len(positions)}, 4), got {flags.shape}")
    cleaned = positions.copy()
    for leg, standing in zip(LEGS, (flags[:, :2], flags[:, 2:]), strict=True):
        _Foot.of(positions, leg, np.asarray(standing.any(axis=1))).place(cleaned)
    return cleaned


@dataclass(frozen=True)
class _Foot:
    """Where a foot was and is to be: its middle, so that one that rolls stays where it is.

    Attributes:
        leg: its joints.
        middle: ``(n, 3)``, between ankle and toe, before.
        moved: ``(n, 3)``, by how much it moves.
        half: ``(n, 3)``, from the middle to the toe, calmer than before while it stands.
    """

    leg: Leg
    middle: Array
    moved: Array
    half: Array

    @classmethod
    def of(cls, positions: Array, leg: Leg, contacts: Flags) -> Self:
        _, _, ankle, toe = leg
        middle = (positions[:, ankle] + positions[:, toe]) / 2
        half = (positions[:, toe] - positions[:, ankle]) / 2
        step = np.diff(middle, axis=0, append=middle[-1:])
        standing = _steady(contacts & (np.sum(step**2, axis=-1) < STANDING_M2))
        calm = gaussian_filter1d(half, _DIRECTION_SIGMA, axis=0, mode="nearest")
        share = gaussian_filter1d(standing.astype(np.float64), 1.0, mode="nearest")[:, None]
        direction = rot.unit(half + share * (calm - half), fallback=half)
        return cls(leg, middle, _holding(middle, standing), direction * rot.norm(half))

    def place(self, positions: Array) -> None:
        """Move foot and knee of ``positions`` ``(n, 22, 3)``, in place."""
        hip, knee, ankle, toe = self.leg
        middle = self.middle + self.moved
        lowest = middle[:, 1] - np.abs(self.half[:, 1])
        middle[:, 1] += np.maximum(0.0, -lowest)
        reached = _bend(positions[:, hip], positions[:, knee], positions[:, ankle], middle - self.half)
        positions[:, knee], positions[:, ankle] = reached
        positions[:, toe] = positions[:, ankle] + 2 * self.half


def _holding(foot: Array, standing: Flags) -> Array:
    """How far to move a foot ``(n, 3)`` in each frame so that it stands still where it stands; eased in between."""
    moved = np.zeros_like(foot)
    contacts = list(_runs(standing))
    for contact in contacts:
        moved[contact] = np.mean(foot[contact], axis=0) - foot[contact]
    lasts = [None, *(contact.stop - 1 for contact in contacts)]
    firsts = [*(contact.start for contact in contacts), None]
    for last, first in zip(
        lasts, firsts, strict=True
    ):  # before the first contact, between two, behind the last
        gap = np.arange(0 if last is None else last + 1, len(foot) if first is None else first)
        ease = EASE_FRAMES if last is None or first is None else min(EASE_FRAMES, first - last)
        for end in (last, first):
            if end is not None:
                moved[gap] += _ease(1 - np.abs(gap - end) / ease)[:, None] * moved[end]
    return np.asarray(gaussian_filter1d(moved, _HOLD_SIGMA, axis=0, mode="nearest"))


def _ease(share: Array) -> Array:
    """From 0 to 1 without a jump in speed."""
    share = np.clip(share, 0.0, 1.0)
    return np.asarray(share**3 * (10 - 15 * share + 6 * share**2))


def _bend(hip: Array, knee: Array, ankle: Array, target: Array) -> tuple[Array, Array]:
    """Knee and ankle ``(n, 3)`` of a leg that reaches for ``target``, with the bones' lengths and the knee's direction.

    What is out of reach is reached for as far as the leg goes.
    """
    reach, was = target - hip, rot.norm(ankle - hip)
    stretch = np.clip(rot.norm(reach) / was, 1 - MOST_STRETCH, 1 + MOST_STRETCH)
    thigh, shin = stretch * rot.norm(knee - hip), stretch * rot.norm(ankle - knee)  # (n, 1)
    longest = np.maximum(STRAIGHTEST * (thigh + shin), stretch * was)
    distance = np.clip(rot.norm(reach), np.abs(thigh - shin) + 1e-4, longest)
    along = rot.unit(reach)
    old = rot.unit(ankle - hip)
    turned = rot.rotate(rot.between(old, along), knee - hip)  # the knee, had the whole leg been turned
    sideways = turned - np.sum(turned * along, axis=-1, keepdims=True) * along
    across = rot.unit(sideways, fallback=turned)
    on_axis = (thigh**2 - shin**2 + distance**2) / (2 * distance)
    height = np.sqrt(np.maximum(thigh**2 - on_axis**2, 0.0))
    return hip + on_axis * along + height * across, hip + distance * along


def _steady(standing: Flags) -> Flags:
    """Contacts without gaps, and then without runs, that are shorter than a contact lasts."""
    size = np.ones(SHORTEST_CONTACT_FRAMES, bool)
    padded = np.pad(standing, SHORTEST_CONTACT_FRAMES, mode="edge")
    steady = binary_opening(binary_closing(padded, size), size)
    return np.asarray(steady[SHORTEST_CONTACT_FRAMES:-SHORTEST_CONTACT_FRAMES])


def _runs(flags: Flags) -> Iterator[slice]:
    """Where the flags are True, one stretch after another."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    for start, end in edges.reshape(-1, 2):
        yield slice(int(start), int(end))
