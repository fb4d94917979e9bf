"""How far a motion is from one that a body on a floor can make: sliding feet, feet in the air or the ground, jerks.

Definitions follow Yuan et al. (PhysDiff, ICCV 2023: skate, float, penetrate) and Barquero et al. (FlowMDM, CVPR 2024:
peak jerk); at which heights an ankle and a toe joint touch the floor, Rempe et al. (HuMoR, ICCV 2021). Joints stand
for the body's surface, which these vectors do not have, and the floor is at height 0, as in HumanML3D.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hero_core.errors import InputError
from hero_core.motion.format import FPS
from hero_core.motion.humanml3d import CONTACTS, FEET, vectors_to_joints
from hero_core.motion.rotations import Array

TOUCHING_M = np.array([0.08, 0.04, 0.08, 0.04])
"""Below which height each joint of FEET (ankle, toe, ankle, toe) is in contact with the floor."""
SHORTEST_FRAMES = 4
"""A jerk needs four positions."""


class Physics(NamedTuple):
    """Of one motion.

    Attributes:
        skating_m_s: mean horizontal speed of foot joints from one frame to the next, while their heights in both
            say that they touch the floor; NaN where none ever does.
        contact_skating_m_s: the same of those alone that the motion's own contacts call standing, too. A foot that
            swings low over the floor does not count then; one that is not called standing can slide unseen.
        floating_m: how high the lowest foot joint is above the floor, mean over the frames; 0 where it is below.
        penetration_m: how deep the lowest foot joint is below the floor, mean over the frames; 0 where it is above.
        peak_jerk_m_s3: the largest third derivative of any joint's position.
    """

    skating_m_s: float
    contact_skating_m_s: float
    floating_m: float
    penetration_m: float
    peak_jerk_m_s3: float


def physics(vectors: NDArray[np.floating]) -> Physics:
    """All measures of a motion ``(n, 263)``.

    Raises:
        InputError: fewer than four frames, or another width.
    """
    joints = vectors_to_joints(vectors)  # (n, 22, 3)
    if len(joints) < SHORTEST_FRAMES:
        raise InputError(f"a motion of {len(joints)} frames has no jerk; it needs {SHORTEST_FRAMES}")
    touching = touches(joints)  # (n - 1, 4)
    standing = np.asarray(vectors)[:-1, CONTACTS] > 0.5
    return Physics(
        skating_m_s(joints, touching),
        skating_m_s(joints, touching & standing),
        floating_m(joints),
        penetration_m(joints),
        peak_jerk_m_s3(joints),
    )


def touches(joints: Array) -> NDArray[np.bool_]:
    """Whether each foot joint of ``(n, 22, 3)`` is at the floor in a frame and in the next: ``(n - 1, 4)``."""
    low = joints[:, FEET, 1] < TOUCHING_M
    return np.asarray(low[:-1] & low[1:])


def skating_m_s(joints: Array, contact: ArrayLike) -> float:
    """Mean horizontal speed of foot joints of ``(n, 22, 3)`` while in ``contact (n - 1, 4)``; NaN if they never are."""
    steps = np.diff(joints[:, FEET][..., [0, 2]], axis=0)  # (n - 1, 4, 2)
    speeds = FPS * np.linalg.norm(steps, axis=-1)[np.asarray(contact, bool)]
    return float(speeds.mean()) if len(speeds) else float("nan")


def floating_m(joints: Array) -> float:
    """Mean height of the lowest foot joint of ``(n, 22, 3)`` above the floor."""
    return float(np.maximum(_lowest(joints), 0.0).mean())


def penetration_m(joints: Array) -> float:
    """Mean depth of the lowest foot joint of ``(n, 22, 3)`` below the floor."""
    return float(np.maximum(-_lowest(joints), 0.0).mean())


def peak_jerk_m_s3(joints: Array) -> float:
    """The largest jerk of any joint of ``(n, 22, 3)``, from third differences."""
    return float(FPS**3 * np.linalg.norm(np.diff(joints, n=3, axis=0), axis=-1).max())


def _lowest(joints: Array) -> Array:
    return np.asarray(joints[:, FEET, 1].min(axis=1))  # (n,)
