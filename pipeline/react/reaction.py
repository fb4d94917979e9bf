"""A reaction to a video, with everything that is known of it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import InputError
from hero_core.models.explanation import Explained
from hero_core.motion.arrays import read_npz_text
from pipeline.decode.video import DecodedClip


@dataclass(frozen=True)
class Reaction:
    """A reaction to a video.

    Attributes:
        vectors: ``(n, 263)`` HumanML3D.
        joints: ``(n, 22, 3)`` metres at 20 fps.
        clip: the frames of the video that the encoder saw.
        statement: what made this reaction.
        provenance: everything that decided it, as JSON values.
        warnings: what the user should know, one line each.
        explained: what the generator looked at, where it can say so.
    """

    video: Path
    vectors: NDArray[np.float32]
    joints: NDArray[np.float64]
    clip: DecodedClip
    statement: str
    provenance: dict[str, Any]
    warnings: tuple[str, ...]
    explained: Explained = field(default_factory=Explained)

    @property
    def seed(self) -> int:
        """What it was drawn with."""
        return int(self.provenance["seed"])

    @property
    def name(self) -> str:
        """Of its files, without a suffix: the video's name and the seed."""
        return f"{self.video.stem}-{self.seed}"


def video_sha256_in(npz: Path) -> str | None:
    """The hash of the video that an ``.npz`` holds the reaction to; None of any other file, or of none."""
    try:
        return str(json.loads(read_npz_text(npz, "provenance"))["video"]["sha256"])
    except (InputError, ValueError, KeyError, TypeError):
        return None
