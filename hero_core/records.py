"""What is kept of a video, a motion and a pair of them. Each refuses a bad shape when it is made."""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import InputError
from hero_core.motion.format import MAX_FRAMES, MOTION_DIM

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

Side = Literal["left", "right", "none"]

_KEY = re.compile(r"[A-Za-z0-9_-]+")


def check_key(key: str) -> None:
    """Keys name members of tar and HDF5 shards, so they hold no dots, slashes or spaces.

    Raises:
        InputError: the key has another character.
    """
    if not _KEY.fullmatch(key):
        raise InputError(f"key {key!r}: only letters, digits, '_' and '-' may stand in a key")


@dataclass(frozen=True)
class FeatureRecord:
    """Features of one clip (paper, section 3.1).

    Attributes:
        frames: ``(t, d)``, one vector per sampled frame.
        global_feature: ``(d,)``, their mean.
        timestamps_seconds: ``(t,)``, when the sampled frames are shown, counted from the first frame of the video.
    """

    frames: NDArray[np.floating]
    global_feature: NDArray[np.floating]
    timestamps_seconds: NDArray[np.float64]

    def __post_init__(self) -> None:
        frames, dim = self.frames.shape if self.frames.ndim == 2 else (0, 0)
        if frames == 0 or self.global_feature.shape != (dim,) or self.timestamps_seconds.shape != (frames,):
            raise InputError(
                "features: expected frames (t, d), global (d,), timestamps (t,), got "
                f"{self.frames.shape}, {self.global_feature.shape}, {self.timestamps_seconds.shape}"
            )
        if not (np.isfinite(self.frames).all() and np.isfinite(self.global_feature).all()):
            raise InputError("features: NaN or infinite values")

    @classmethod
    def of(
        cls, frames: NDArray[np.float32], timestamps_seconds: NDArray[np.float64], dtype: str = "float32"
    ) -> "FeatureRecord":
        """Features as they are stored: the mean is taken of ``frames (t, d)`` before they are rounded to ``dtype``."""
        return cls(frames.astype(dtype), frames.mean(axis=0).astype(dtype), timestamps_seconds)

    def arrays(self) -> dict[str, NDArray[np.floating]]:
        """What a shard holds, by name."""
        return {
            "frames": self.frames,
            "global": self.global_feature,
            "timestamps_seconds": self.timestamps_seconds,
        }


@dataclass(frozen=True)
class MotionRecord:
    """A motion in HumanML3D format: ``vectors`` (n, 263) float32 at 20 fps, n <= 200."""

    vectors: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.vectors.shape[1] != MOTION_DIM:
            raise InputError(f"expected motion vectors (n, {MOTION_DIM}), got {self.vectors.shape}")
        if not 1 <= self.length <= MAX_FRAMES:
            raise InputError(f"a motion has 1 to {MAX_FRAMES} frames, got {self.length}")
        if not np.isfinite(self.vectors).all():
            raise InputError("motion vectors: NaN or infinite values")

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.vectors)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """What a shard holds, by name."""
        return {"motion": self.vectors.astype(np.float32, copy=False)}


@dataclass(frozen=True)
class Truth:
    """The right answer, where a data set knows it: which reaction, to which side, from when on.

    ``onset_seconds`` is 0 for a reaction that is no movement, such as standing.
    """

    reaction: str
    side: Side
    onset_seconds: float

    @property
    def moves(self) -> bool:
        """Whether the reaction is a movement, and so has an onset."""
        return self.onset_seconds > 0


@dataclass(frozen=True, slots=True)
class Pair:
    """A video and a reaction that fits it, many-to-many; or, without a video, a motion to learn motions from.

    Attributes:
        clip_key: of the video; None for a motion of its own.
        source_video: the video that this clip was cut from, which decides the split; the motion where there is none.
        motion_path: the motion's file, from the root of its source.
        length: frames of the motion.
    """

    key: str
    clip_key: str | None
    motion_key: str
    split: Split
    broad: str
    subcategory: str
    source_video: str
    motion_path: str
    length: int
    truth: Truth | None = None

    def __post_init__(self) -> None:
        check_key(self.key)
