"""The clips that teach the mini encoder: MiniViMo's, with the flaws of real videos, and what is true of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from hero_core.minivimo.interactions import REACTIONS
from hero_core.records import Side
from pipeline.decode.sampling import SAMPLES, segment_centres
from pipeline.decode.transforms import resize_frame
from pipeline.decode.video import decode_clip, write_mp4
from pipeline.minivimo import ClipPlan, render_frames, sample_clip

SIDES = get_args(Side)
PHASES = 3  # before, while, after the event shows

_SHIFT_PIXELS = 4
_STORED_CLIPS = 1500
_REPEATS = 4


class Example(NamedTuple):
    """A clip, or a batch of them, and what its features should tell.

    Attributes:
        frames: ``(t, h, w, 3)`` uint8 RGB.
        reaction: index in ``REACTIONS``.
        side: index in ``SIDES``.
        onset: when the event shows, as a share of the clip's duration.
        shown_reaction: ``(t,)`` the reaction, or ``len(REACTIONS)`` where the frame does not show the event.
        shown_side: ``(t,)`` the side, or none.
        phase: ``(t,)`` 0 before the event shows, 1 while, 2 after.
    """

    frames: Any
    reaction: Any
    side: Any
    onset: Any
    shown_reaction: Any
    shown_side: Any
    phase: Any


@dataclass(frozen=True)
class Rendered:
    """Frames ``(n, h, w, 3)`` of a clip at ``times_seconds (n,)``, rising."""

    plan: ClipPlan
    times_seconds: NDArray[np.float64]
    frames: NDArray[np.uint8]

    def example(self) -> Example:
        """The frames and what is true of them."""
        plan, times = self.plan, self.times_seconds
        reaction, side = REACTIONS.index(plan.interaction.reaction), SIDES.index(plan.side)
        shown = shows_event(plan, times)
        return Example(
            frames=self.frames,
            reaction=reaction,
            side=side,
            onset=np.float32(plan.event_seconds / plan.duration_seconds),
            shown_reaction=np.where(shown, reaction, len(REACTIONS)),
            shown_side=np.where(shown, side, SIDES.index("none")),
            phase=np.where(shown, 1, np.where(times < plan.event_seconds, 0, 2)),
        )

    def varied(self, rng: np.random.Generator, frames: int) -> "Rendered":
        """Some of the frames, a little shifted, in another light."""
        picked = np.sort(rng.permutation(len(self.frames))[:frames])
        levels = np.arange(256)[:, None] * rng.uniform(0.85, 1.15) + rng.uniform(-12, 12, size=3)
        relit = np.clip(levels, 0, 255).astype(np.uint8)  # (256, 3)
        down, right = rng.integers(-_SHIFT_PIXELS, _SHIFT_PIXELS + 1, size=2)
        edge = (_SHIFT_PIXELS, _SHIFT_PIXELS)
        shifted = np.pad(self.frames[picked], ((0, 0), edge, edge, (0, 0)), mode="edge")
        height, width = self.frames.shape[1:3]
        shifted = shifted[:, _SHIFT_PIXELS + down :, _SHIFT_PIXELS + right :][:, :height, :width]
        lit = np.stack([relit[:, channel][shifted[..., channel]] for channel in range(3)], axis=-1)
        return Rendered(self.plan, self.times_seconds[picked], lit)


def shows_event(plan: ClipPlan, times_seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the revealing part is (mostly) visible at each of the times ``(t,)``."""
    begin = plan.event_seconds - 0.5 * plan.rise_seconds
    end = plan.event_seconds + plan.hold_seconds + 0.15
    return np.asarray((times_seconds >= begin) & (times_seconds <= end))


def render_clip(data_seed: int, index: int, frames: int, size: int) -> Rendered:
    """A clip of MiniViMo for training, most of them with coding artefacts.

    With 16 ``frames``, those that the pipeline samples. With fewer, half as many again for ``varied`` to choose
    from, half of them showing the event.
    """
    plan = sample_clip(data_seed, index)
    rng = np.random.default_rng([data_seed, index])
    if frames == SAMPLES:
        times = plan.frame_times_seconds[segment_centres(plan.frame_count)]
    else:
        count = frames + frames // 2
        shown = rng.uniform(plan.event_seconds, plan.event_seconds + plan.hold_seconds, count // 2)
        times = np.sort(np.append(shown, rng.uniform(0, plan.duration_seconds, count - count // 2)))
    pictures = render_frames(plan, times)
    if rng.random() < 0.6:
        quality = int(rng.integers(15, 90))
        pictures = (_recode(picture, quality) for picture in pictures)
    return Rendered(plan, times, np.stack([resize_frame(picture, size) for picture in pictures]))


def decoded_clip(data_seed: int, index: int, size: int, folder: Path) -> Rendered:
    """A clip as the pipeline meets it: written as mp4 into ``folder``, decoded and sampled again."""
    plan = sample_clip(data_seed, index)
    path = folder / "clip.mp4"
    write_mp4(path, render_frames(plan), plan.fps)
    clip = decode_clip(path, size=size)
    return Rendered(plan, np.asarray(clip.timestamps_seconds), clip.frames)


def _recode(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Block artefacts like those of H.264, at JPEG's speed."""
    _, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


class TrainingClips(IterableDataset[Example]):
    """An endless stream: each clip rendered is shown four times, varied, between others of the recent past.

    Clips without people, which are easy to tell apart, are left out but for ``easy_share`` of them.
    """

    def __init__(self, data_seed: int, first: int, frames: int, size: int, easy_share: float = 1.0) -> None:
        self.data_seed, self.first, self.frames, self.size = data_seed, first, frames, size
        self.easy_share = easy_share

    def __iter__(self) -> Iterator[Example]:
        """Yield examples; of several workers, each renders its own clips."""
        cv2.setNumThreads(1)
        worker = get_worker_info()
        index, stride = (self.first + worker.id, worker.num_workers) if worker else (self.first, 1)
        rng = np.random.default_rng([self.data_seed, index])
        store: list[Rendered] = []
        while True:
            index += stride
            if self._is_left_out(index - stride):
                continue
            clip = render_clip(self.data_seed, index - stride, self.frames, self.size)
            if len(store) < _STORED_CLIPS:
                store.append(clip)
            else:
                store[int(rng.integers(_STORED_CLIPS))] = clip
            for recent in (clip, *(store[int(rng.integers(len(store)))] for _ in range(_REPEATS - 1))):
                yield recent.varied(rng, self.frames).example()

    def _is_left_out(self, index: int) -> bool:
        if sample_clip(self.data_seed, index).interaction.broad == "human-human":
            return False
        return bool(np.random.default_rng([self.data_seed, index, 1]).random() >= self.easy_share)
