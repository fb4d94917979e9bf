"""How long reactions are to be, as all generators understand it."""

from torch import Tensor

from hero_core.errors import InputError
from hero_core.models.base import VideoFeatures
from hero_core.motion.format import FRAMES_PER_TOKEN, whole_tokens


def whole_lengths(condition: VideoFeatures, lengths: Tensor | None, max_frames: int) -> list[int]:
    """Lengths ``(b,)`` in frames, rounded down to whole tokens.

    Raises:
        InputError: there are none, not one for each clip, or one shorter than a token or longer than ``max_frames``.
    """
    if lengths is None:
        raise InputError(
            "this generator does not choose how long a reaction is; give a length for each video"
        )
    if lengths.shape != condition.global_feature.shape[:1] or not len(lengths):
        raise InputError(
            f"{len(condition.global_feature)} videos need as many lengths, found the shape {tuple(lengths.shape)}"
        )
    frames: list[int] = lengths.tolist()
    for length in (min(frames), max(frames)):
        if not FRAMES_PER_TOKEN <= length <= max_frames:
            raise InputError(
                f"a reaction of {length} frames cannot be generated: ask for {FRAMES_PER_TOKEN} to {max_frames} frames"
            )
    return [whole_tokens(each) for each in frames]
