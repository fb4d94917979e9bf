"""Puts a video and the reaction to it side by side, frame by frame on one clock. Pure."""

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike

from hero_core.errors import InputError
from hero_core.motion.format import FPS
from hero_core.view.figure import START
from hero_core.view.page import (
    EMPTY,
    HEADER,
    MARGIN,
    PAGE,
    blank_page,
    letterboxed,
    put_picture,
    put_text,
    put_title,
)
from hero_core.view.render import FAINT, Frame, render_motion

_HEIGHT, _VIDEO_WIDTH = 480, 640  # of the pictures
_REACTION_X = 2 * MARGIN + _VIDEO_WIDTH
_PALENESS = 0.45  # share of background in a picture that has ended


def side_by_side(
    video: Iterable[tuple[float, Frame]],
    video_seconds: float,
    joints: ArrayLike,
    title: str,
    caption: str,
    sampled_seconds: Sequence[float] = (),
    longest_seconds: float = 30.0,
) -> Iterator[Frame]:
    """Frames of a film at 20 fps that shows both; whichever ends first keeps its last picture, paler.

    Args:
        video: times in seconds, rising from 0, and RGB frames ``(h, w, 3)``; read only as far as needed.
        video_seconds: how long the video is.
        joints: ``(n, 22, 3)`` metres at 20 fps.
        title: what the video is.
        caption: what made the reaction; wrapped under the pictures.
        sampled_seconds: when the frames that the generator saw are shown; ticks on the time line.
        longest_seconds: the film ends here at the latest.

    Raises:
        InputError: the video has no frames, or the joints have another shape.
    """
    poses = np.asarray(joints, np.float64)
    reaction_seconds = len(poses) / FPS
    seconds = min(max(reaction_seconds, video_seconds), longest_seconds)
    times = np.arange(max(1, round(seconds * FPS))) / FPS
    page = blank_page(_REACTION_X + _HEIGHT + MARGIN, _HEIGHT + 46, title, _VIDEO_WIDTH, caption)
    put_title(page, f"Reaction, {reaction_seconds:.1f} s, from the front", _REACTION_X)
    figures = render_motion(poses, _HEIGHT)
    figure = next(figures)
    for index, (time, picture) in enumerate(zip(times, frames_at(video, times), strict=True)):
        if 0 < index < len(poses):
            figure = next(figures)
        frame = page.copy()
        left = letterboxed(picture, _VIDEO_WIDTH, _HEIGHT)
        put_picture(frame, _paler(left) if time > video_seconds else left, MARGIN, HEADER)
        put_picture(frame, _paler(figure) if index >= len(poses) else figure, _REACTION_X, HEADER)
        _time_line(frame, float(time), seconds, sampled_seconds)
        yield frame


def frames_at(video: Iterable[tuple[float, Frame]], times: Iterable[float]) -> Iterator[Frame]:
    """The frame that is on the screen at each of the rising ``times``: the last one that is not later.

    Raises:
        InputError: the video has no frames.
    """
    upcoming = iter(video)
    ahead = next(upcoming, None)
    if ahead is None:
        raise InputError("this video has no frames to show")
    shown = ahead[1]
    for time in times:
        while ahead is not None and ahead[0] <= time + 1e-6:
            shown = ahead[1]
            ahead = next(upcoming, None)
        yield shown


def _time_line(frame: Frame, time: float, seconds: float, sampled_seconds: Sequence[float]) -> None:
    y, left = HEADER + _HEIGHT + 24, MARGIN + 68
    right = int(frame.shape[1]) - MARGIN
    put_text(frame, f"{time:.2f} s", MARGIN, y + 6, 0.5, bold=True)

    def x(second: float) -> int:
        return round(left + min(second / seconds, 1.0) * (right - left))

    cv2.line(frame, (left, y), (right, y), EMPTY, 4, cv2.LINE_AA)
    cv2.line(frame, (left, y), (x(time), y), START, 4, cv2.LINE_AA)
    for second in sampled_seconds:
        if second <= seconds:
            cv2.line(frame, (x(second), y + 6), (x(second), y + 10), FAINT, 1, cv2.LINE_AA)
    cv2.circle(frame, (x(time), y), 6, START, cv2.FILLED, cv2.LINE_AA)


def _paler(picture: Frame) -> Frame:
    return np.asarray((picture * (1 - _PALENESS) + np.array(PAGE) * _PALENESS).round(), np.uint8)
