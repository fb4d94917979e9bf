"""A reaction to a video, with everything that is known of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hero_core.models.explanation import Explained
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
