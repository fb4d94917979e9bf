"""Mean and standard deviation of HumanML3D vectors: taken, kept and emphasised."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hero_core.errors import InputError
from hero_core.motion.arrays import read_npy
from hero_core.motion.format import MOTION_DIM
from hero_core.motion.humanml3d import (
    CONTACTS,
    LOCAL_POSITIONS,
    ROOT_HEIGHT,
    ROOT_XZ_VELOCITY,
    ROOT_YAW_VELOCITY,
    ROTATIONS_6D,
    VELOCITIES,
)
from hero_core.storage import write_npy

STATISTICS_FILES = ("Mean.npy", "Std.npy")
"""Names of mean and standard deviation, as HumanML3D and the ViMo release ship them."""

# HumanML3D gives all columns of a group one standard deviation: the mean of theirs.
GROUPS = (
    ROOT_YAW_VELOCITY,
    ROOT_XZ_VELOCITY,
    ROOT_HEIGHT,
    LOCAL_POSITIONS,
    ROTATIONS_6D,
    VELOCITIES,
    CONTACTS,
)
# Dividing their standard deviation makes a model mind these few columns more.
_EMPHASISED = (ROOT_YAW_VELOCITY, ROOT_XZ_VELOCITY, ROOT_HEIGHT, CONTACTS)
_CONSTANT = 1e-6  # a group that varies less than this is left unscaled


@dataclass(frozen=True)
class MotionStatistics:
    """Mean and standard deviation (263,) float32 that put HumanML3D vectors on a common scale."""

    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values.shape != (MOTION_DIM,):
                raise InputError(
                    f"{name} of motion vectors: expected {MOTION_DIM} numbers, got {values.shape}"
                )
            if not np.isfinite(values).all():
                column = int(np.argmin(np.isfinite(values)))
                raise InputError(f"{name} of motion vectors: column {column} is not finite")
        if not (self.std > 0).all():
            raise InputError(f"std of motion vectors: column {int(np.argmin(self.std))} is not positive")

    @classmethod
    def from_vectors(cls, motions: Iterable[ArrayLike]) -> "MotionStatistics":
        """Statistics over the frames of all motions, each (n, 263), as HumanML3D's own script takes them.

        Raises:
            InputError: no frames, another width, or values that are not finite.
        """
        mean, variance = _moments(motions)
        std = np.sqrt(variance)
        for group in GROUPS:
            average = std[group].mean()
            std[group] = average if average > _CONSTANT else 1.0
        return cls(mean.astype(np.float32), std.astype(np.float32))

    def emphasised(self, feat_bias: float) -> "MotionStatistics":
        """The same with the deviations of the root's columns and the contacts divided by ``feat_bias``.

        A model then sees these columns, few but decisive, that much larger. HumanML3D's users train with 5.

        Raises:
            InputError: a ``feat_bias`` that is not positive.
        """
        if not feat_bias > 0:
            raise InputError(f"feat_bias must be positive, got {feat_bias}")
        std = self.std.copy()
        for group in _EMPHASISED:
            std[group] /= feat_bias
        return MotionStatistics(self.mean, std)

    def save(self, folder: Path) -> None:
        """Write Mean.npy and Std.npy, as HumanML3D names them."""
        for name, values in zip(STATISTICS_FILES, (self.mean, self.std), strict=True):
            write_npy(folder / name, values)

    @classmethod
    def load(cls, folder: Path) -> "MotionStatistics":
        """Read Mean.npy and Std.npy, see :meth:`read`."""
        mean, std = STATISTICS_FILES
        return cls.read(folder / mean, folder / std)

    @classmethod
    def read(cls, mean_path: Path, std_path: Path) -> "MotionStatistics":
        """Read mean and standard deviation from two .npy files.

        Raises:
            InputError: one is missing or holds something else.
        """
        mean, std = (read_npy(path).astype(np.float32) for path in (mean_path, std_path))
        try:
            return cls(mean, std)
        except InputError as error:
            raise InputError(f"{mean_path}, {std_path}: {error}") from None


def _moments(motions: Iterable[ArrayLike]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance (263,) over all frames, one motion in memory at a time (Chan et al., 1979)."""
    count = 0
    mean = np.zeros(MOTION_DIM)
    squares = np.zeros(MOTION_DIM)  # sum of squared differences from the mean
    for motion in motions:
        vectors = np.asarray(motion, np.float64)
        if vectors.ndim != 2 or vectors.shape[1] != MOTION_DIM or not np.isfinite(vectors).all():
            raise InputError(f"expected finite motion vectors (frames, {MOTION_DIM}), got {vectors.shape}")
        if len(vectors) == 0:
            continue
        total = count + len(vectors)
        shift = vectors.mean(axis=0) - mean
        squares += ((vectors - vectors.mean(axis=0)) ** 2).sum(axis=0) + shift**2 * count * len(
            vectors
        ) / total
        mean += shift * len(vectors) / total
        count = total
    if count == 0:
        raise InputError("no motion frames to take statistics of")
    return mean, squares / count
