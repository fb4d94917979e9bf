"""The things that walk through the folders. Each refuses a bad shape when it is made."""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import InputError

MOTION_DIM = 263
MAX_MOTION_FRAMES = 200
MOTION_FPS = 20

Split = Literal["train", "val", "test"]

_KEY = re.compile(r"[A-Za-z0-9_-]+")


def check_key(key: str) -> None:
    """Keys name members of tar and HDF5 shards, so they hold no dots, slashes or spaces.

    Raises:
        InputError: the key has another character.
    """
    if not _KEY.fullmatch(key):
        raise InputError(f"key {key!r}: only letters, digits, '_' and '-' may stand in a key")


@dataclass(frozen=True)
class Clip:
    """A video that was decoded: where it is, what it is, what was found in it."""

    key: str
    path: str
    broad: str
    subcategory: str
    frame_count: int
    fps: float
    sha256: str

    def __post_init__(self) -> None:
        check_key(self.key)
        if self.frame_count < 1:
            raise InputError(f"{self.path}: a clip needs at least one frame, got {self.frame_count}")


@dataclass(frozen=True)
class FeatureRecord:
    """Features of one clip (paper, section 3.1).

    Attributes:
        frames: ``(t, d)``, one vector a sampled frame.
        global_feature: ``(d,)``, their mean.
        timestamps_seconds: ``(t,)``, when the sampled frames are shown.
        fingerprint: what made these features.
    """

    key: str
    frames: NDArray[np.floating]
    global_feature: NDArray[np.floating]
    timestamps_seconds: NDArray[np.float64]
    fingerprint: str

    def __post_init__(self) -> None:
        check_key(self.key)
        frames, dim = self.frames.shape if self.frames.ndim == 2 else (0, 0)
        if frames == 0 or self.global_feature.shape != (dim,) or self.timestamps_seconds.shape != (frames,):
            raise InputError(
                f"features of {self.key}: expected frames (t, d), global (d,), timestamps (t,), got "
                f"{self.frames.shape}, {self.global_feature.shape}, {self.timestamps_seconds.shape}"
            )
        if not (np.isfinite(self.frames).all() and np.isfinite(self.global_feature).all()):
            raise InputError(f"features of {self.key}: NaN or infinite values")


@dataclass(frozen=True)
class MotionRecord:
    """A reaction in HumanML3D format: ``vectors`` (n, 263) float32 at 20 fps, n <= 200."""

    key: str
    vectors: NDArray[np.float32]
    source: str

    def __post_init__(self) -> None:
        check_key(self.key)
        if self.vectors.ndim != 2 or self.vectors.shape[1] != MOTION_DIM:
            raise InputError(
                f"{self.source}: expected motion vectors (n, {MOTION_DIM}), got {self.vectors.shape}"
            )
        if not 1 <= self.length <= MAX_MOTION_FRAMES:
            raise InputError(
                f"{self.source}: a motion has 1 to {MAX_MOTION_FRAMES} frames, got {self.length}"
            )
        if not np.isfinite(self.vectors).all():
            raise InputError(f"{self.source}: NaN or infinite values")

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.vectors)


@dataclass(frozen=True)
class Pair:
    """A video and a reaction that fits it. Many-to-many."""

    key: str
    clip_key: str
    motion_key: str
    split: Split
    broad: str
    subcategory: str

    def __post_init__(self) -> None:
        check_key(self.key)
