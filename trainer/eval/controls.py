"""What a model makes of videos that say less than they should: of one frame, of the wrong order, of another clip.

A model that answers as well to these as to the video itself does not look at what they lack.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hero_core.progress import Progress, silent
from hero_core.records import FeatureRecord, Truth
from trainer.eval.plausibility import PlausibilityCheck, can_shuffle, shuffled
from trainer.reactions import Motion

React = Callable[[Sequence[FeatureRecord], int], list[Motion]]
"""From videos, and a number that decides the draws, a reaction to each."""

Change = Callable[[FeatureRecord, np.random.Generator], FeatureRecord]


def one_frame(video: FeatureRecord, rng: np.random.Generator) -> FeatureRecord:
    """The middle frame in the place of all, and as the clip's feature; times are kept. Needs no ``rng``."""
    middle = video.frames[len(video.frames) // 2]
    return replace(video, frames=np.broadcast_to(middle, video.frames.shape), global_feature=middle)


def reversed_frames(video: FeatureRecord, rng: np.random.Generator) -> FeatureRecord:
    """The frames from last to first, at the times of the first to the last. Needs no ``rng``."""
    return replace(video, frames=video.frames[::-1])


def shuffled_frames(video: FeatureRecord, rng: np.random.Generator) -> FeatureRecord:
    """The frames in random order, at the times of the right one."""
    return replace(video, frames=rng.permutation(video.frames))


_CHANGES: dict[str, Change] = {
    "one_frame": one_frame,
    "reversed": reversed_frames,
    "shuffled": shuffled_frames,
}


def controls(
    videos: Sequence[FeatureRecord], truths: Sequence[Truth], rng: np.random.Generator
) -> Iterator[tuple[str, list[FeatureRecord]]]:
    """Every control by its name of :data:`trainer.eval.plausibility.ROWS`, with what is shown for each video.

    ``other_clip``, where it is possible, shows the clips of :func:`trainer.eval.plausibility.shuffled`.
    """
    for name, change in _CHANGES.items():
        yield name, [change(video, rng) for video in videos]
    if can_shuffle(truths):
        others: NDArray[np.int64] = shuffled(truths, rng)
        yield "other_clip", [videos[other] for other in others]


def judge_controls(
    check: PlausibilityCheck,
    videos: Sequence[FeatureRecord],
    react: React,
    rng: np.random.Generator,
    report: Progress = silent,
) -> None:
    """Judge one reaction to every control of every judged clip.

    Args:
        check: takes the verdicts.
        videos: of the judged clips.
        react: generates.
        rng: for what is random in the controls.
        report: told how many controls are done.
    """
    total = len(_CHANGES) + can_shuffle(check.truths)
    for done, (name, shown) in enumerate(controls(videos, check.truths, rng)):
        report(done, total, name)
        check.judge(name, react(shown, done))
    report(total, total)
