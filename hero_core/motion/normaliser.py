"""Mean and standard deviation of HumanML3D vectors, and their use."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from hero_core.errors import InputError
from hero_core.files import atomic_path
from hero_core.motion.arrays import read_npy
from hero_core.motion.humanml3d import (
    CONTACTS,
    DIM,
    LOCAL_POSITIONS,
    ROOT_HEIGHT,
    ROOT_XZ_VELOCITY,
    ROOT_YAW_VELOCITY,
    ROTATIONS_6D,
    VELOCITIES,
)

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

Values = TypeVar("Values", NDArray[Any], torch.Tensor)


@dataclass(frozen=True)
class Normaliser:
    """Puts HumanML3D vectors on a common scale: (vectors - mean) / std, with mean and std (263,) float32."""

    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values.shape != (DIM,) or not np.isfinite(values).all():
                raise InputError(
                    f"{name} of motion vectors: expected {DIM} finite numbers, got {values.shape}"
                )
        if not (self.std > 0).all():
            raise InputError(f"std of motion vectors: column {int(np.argmin(self.std))} is not positive")

    def normalise(self, vectors: Values) -> Values:
        """HumanML3D units (..., 263) to normalised values, as the array or tensor that came."""
        if isinstance(vectors, torch.Tensor):
            return (vectors - self._like(self.mean, vectors)) / self._like(self.std, vectors)
        return (vectors - self.mean) / self.std

    def denormalise(self, vectors: Values) -> Values:
        """The inverse of `normalise`."""
        if isinstance(vectors, torch.Tensor):
            return vectors * self._like(self.std, vectors) + self._like(self.mean, vectors)
        return vectors * self.std + self.mean

    @staticmethod
    def _like(values: NDArray[np.float32], other: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(values).to(other)

    @classmethod
    def from_vectors(cls, motions: Iterable[ArrayLike]) -> "Normaliser":
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

    def emphasised(self, feat_bias: float) -> "Normaliser":
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
        return Normaliser(self.mean, std)

    def save(self, folder: Path) -> None:
        """Write Mean.npy and Std.npy, as HumanML3D names them."""
        for name, values in (("Mean.npy", self.mean), ("Std.npy", self.std)):
            with atomic_path(folder / name) as temporary, temporary.open("wb") as file:
                np.save(file, values, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> "Normaliser":
        """Read Mean.npy and Std.npy.

        Raises:
            InputError: one is missing or holds something else.
        """
        mean, std = (read_npy(folder / name).astype(np.float32) for name in ("Mean.npy", "Std.npy"))
        return cls(mean, std)


def _moments(motions: Iterable[ArrayLike]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance (263,) over all frames, one motion in memory at a time (Chan et al., 1979)."""
    count = 0
    mean = np.zeros(DIM)
    squares = np.zeros(DIM)  # sum of squared differences from the mean
    for motion in motions:
        vectors = np.asarray(motion, np.float64)
        if vectors.ndim != 2 or vectors.shape[1] != DIM or not np.isfinite(vectors).all():
            raise InputError(f"expected finite motion vectors (frames, {DIM}), got {vectors.shape}")
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
