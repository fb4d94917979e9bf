"""What a video looks like to the generators."""

from typing import NamedTuple

from torch import Tensor


class VideoFeatures(NamedTuple):
    """Features of a batch of clips (paper, section 3.1).

    Attributes:
        frames: one vector a sampled frame, ``(b, t, d)``; the paper's v_l.
        global_feature: their mean, ``(b, d)``; the paper's v_g.
    """

    frames: Tensor
    global_feature: Tensor

    def to(self, *args: object, **kwargs: object) -> "VideoFeatures":
        """The same features on another device or in another dtype."""
        return VideoFeatures(self.frames.to(*args, **kwargs), self.global_feature.to(*args, **kwargs))  # type: ignore[call-overload]
