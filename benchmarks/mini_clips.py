"""The pictures that teach the mini encoder: MiniViMo's, with the flaws of real videos, and what each of them shows."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from pipeline.decode.sampling import segment_centres
from pipeline.decode.transforms import resize_frame
from pipeline.decode.video import decode_clip, write_mp4
from pipeline.minivimo import ClipPlan, render_frames, sample_clip
from pipeline.minivimo.sight import places, sight

_BEFORE_EVENT_SECONDS = 0.6
_RECODED_SHARE = 0.6
_PICTURES = 8  # of every clip that is drawn for `MixedPictures`
_STORED_PICTURES = 4000
_REPEATS = 2


class Example(NamedTuple):
    """Frames that the tower reads together, and what each of them shows; or a batch of both.

    Attributes:
        frames: ``(t, h, w, 3)`` uint8 RGB.
        sight: ``(t, fields)`` float32, as ``sight`` has them.
        places: ``(t, kinds, 2)`` float32, as ``places`` has them.
    """

    frames: Any
    sight: Any
    places: Any


@dataclass(frozen=True)
class Rendered:
    """Frames ``(n, h, w, 3)`` of a clip at ``times_seconds (n,)``, rising."""

    plan: ClipPlan
    times_seconds: NDArray[np.float64]
    frames: NDArray[np.uint8]

    def example(self) -> Example:
        """The frames, and what each of them shows."""
        times = [float(time) for time in self.times_seconds]
        seen = np.stack([sight(self.plan, time) for time in times])
        return Example(self.frames, seen, np.stack([places(self.plan, time) for time in times]))


def render_clip(data_seed: int, index: int, size: int, count: int | None = None) -> Rendered:
    """A clip of MiniViMo for training, most of them with coding artefacts.

    The frames are those that the pipeline samples; or ``count`` at random times, half of them around the event.
    """
    plan = sample_clip(data_seed, index)
    rng = np.random.default_rng([data_seed, index])
    if count is None:
        times = plan.frame_times_seconds[segment_centres(plan.frame_count)]
    else:
        begin, end = plan.event_seconds - _BEFORE_EVENT_SECONDS, plan.event_seconds + plan.hold_seconds
        around = rng.uniform(max(begin, 0), min(end, plan.duration_seconds), count // 2)
        times = np.sort(np.append(around, rng.uniform(0, plan.duration_seconds, count - count // 2)))
    pictures = render_frames(plan, times)
    if rng.random() < _RECODED_SHARE:
        quality = int(rng.integers(15, 90))
        pictures = (_recode(picture, quality) for picture in pictures)
    return Rendered(plan, times, np.stack([resize_frame(picture, size) for picture in pictures]))


def decoded_clip(data_seed: int, index: int, size: int, folder: Path) -> Rendered:
    """A clip as the pipeline meets it: written as mp4 into ``folder``, decoded and sampled again."""
    plan = sample_clip(data_seed, index)
    path = folder / f"clip_{index}.mp4"
    write_mp4(path, render_frames(plan), plan.fps)
    clip = decode_clip(path, size=size)
    path.unlink()
    return Rendered(plan, np.asarray(clip.timestamps_seconds), clip.frames)


def _recode(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Block artefacts like those of H.264, at JPEG's speed."""
    _, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


class WholeClips(IterableDataset[Example]):
    """An endless stream of clips, each with the frames that the pipeline samples."""

    def __init__(self, data_seed: int, first: int, size: int) -> None:
        self.data_seed, self.first, self.size = data_seed, first, size

    def __iter__(self) -> Iterator[Example]:
        """Yield examples; of several workers, each renders its own clips."""
        for index in _own_indices(self.first):
            yield render_clip(self.data_seed, index, self.size).example()


class MixedPictures(IterableDataset[Example]):
    """An endless stream of ``together`` pictures of different clips: nothing beside a picture says more about it.

    Every picture is drawn from those of the recent past and is shown twice on average.
    """

    def __init__(self, data_seed: int, first: int, size: int, together: int) -> None:
        self.data_seed, self.first, self.size, self.together = data_seed, first, size, together

    def __iter__(self) -> Iterator[Example]:
        """Yield examples; of several workers, each renders its own clips."""
        rng = np.random.default_rng([self.data_seed, self.first])
        store: list[tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]] = []
        for clips, clip in enumerate(_own_indices(self.first), start=1):
            store.extend(zip(*render_clip(self.data_seed, clip, self.size, _PICTURES).example(), strict=True))
            while len(store) > _STORED_PICTURES:
                store[int(rng.integers(len(store)))] = store[-1]
                store.pop()
            if clips < self.together:
                continue
            for _ in range(_REPEATS * _PICTURES // self.together):
                picked = rng.choice(len(store), self.together, replace=False)
                columns = zip(*(store[int(index)] for index in picked), strict=True)
                yield Example(*(np.stack(column) for column in columns))


class DecodedClips(Dataset[Rendered]):
    """The first ``count`` clips of a seed as the pipeline meets them, through mp4 files in ``folder``."""

    def __init__(self, data_seed: int, count: int, size: int, folder: Path) -> None:
        self.data_seed, self.count, self.size, self.folder = data_seed, count, size, folder

    def __len__(self) -> int:
        """How many clips."""
        return self.count

    def __getitem__(self, index: int) -> Rendered:
        """Clip ``index``."""
        return decoded_clip(self.data_seed, index, self.size, self.folder)


def _own_indices(first: int) -> Iterator[int]:
    """Clips from ``first`` on that this worker renders."""
    cv2.setNumThreads(1)
    worker = get_worker_info()
    index, stride = (first + worker.id, worker.num_workers) if worker else (first, 1)
    while True:
        yield index
        index += stride
