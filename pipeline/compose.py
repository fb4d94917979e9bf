"""Puts a video and the reaction to it into one picture: frame by frame for a film, or as a sheet. Pure."""

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from hero_core.errors import InputError
from hero_core.motion.skeleton import FPS
from pipeline.figure import LEFT, RIGHT, Colour
from pipeline.render import FAINT, INK, START, Frame, render_motion

_MARGIN, _HEADER, _FOOTER_LINE = 24, 56, 22
_PANEL_HEIGHT, _VIDEO_WIDTH = 480, 640
_PAGE: Colour = (238, 240, 245)
_PANEL: Colour = (224, 228, 235)
_CORNER = 10
_TITLE, _SMALL = 0.62, 0.44  # font scales
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_HELD = 0.45  # share of background in a panel whose clock has ended


def side_by_side(
    video: Iterable[tuple[float, Frame]],
    video_seconds: float,
    joints: ArrayLike,
    title: str,
    caption: str,
    sampled_seconds: Sequence[float] = (),
    longest_seconds: float = 30.0,
) -> Iterator[Frame]:
    """Frames of a film at 20 fps that shows both on one clock; whichever ends first holds its last picture, paler.

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
    page = _page(title, caption, reaction_seconds)
    figures = render_motion(poses, _PANEL_HEIGHT)
    figure = next(figures)
    for index, (time, picture) in enumerate(zip(times, frames_at(video, times), strict=True)):
        if 0 < index < len(poses):
            figure = next(figures)
        frame = page.copy()
        left = letterboxed(picture, _VIDEO_WIDTH, _PANEL_HEIGHT)
        _place(frame, _paler(left) if time > video_seconds else left, _MARGIN, _HEADER)
        right = _paler(figure) if index >= len(poses) else figure
        _place(frame, right, 2 * _MARGIN + _VIDEO_WIDTH, _HEADER)
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


def contact_sheet(
    pictures: Sequence[Frame],
    seconds: Sequence[float],
    joints: ArrayLike,
    title: str,
    caption: str,
    cell: int = 220,
) -> Frame:
    """One picture: video frames in a row, and under each the reaction's pose at the same time.

    Args:
        pictures: RGB frames ``(h, w, 3)``.
        seconds: when they are shown.
        joints: ``(n, 22, 3)`` metres at 20 fps; past its end the last pose stands.
        title: over the pictures.
        caption: under them.
        cell: width of a column in pixels.

    Raises:
        InputError: no pictures, not as many as seconds, or joints of another shape.
    """
    if not pictures or len(pictures) != len(seconds):
        raise InputError(f"a sheet needs as many times as pictures, got {len(seconds)} and {len(pictures)}")
    poses = np.asarray(joints, np.float64)
    indices = [min(round(second * FPS), len(poses) - 1) for second in seconds]
    height = min(cell, round(cell * pictures[0].shape[0] / pictures[0].shape[1]))
    gap, label = 10, 30
    width = 2 * _MARGIN + len(pictures) * cell + (len(pictures) - 1) * gap
    lines = _wrapped(caption, width - 2 * _MARGIN)
    total = _HEADER + height + label + cell + 16 + _FOOTER_LINE * len(lines) + _MARGIN // 2
    sheet = np.full((total, width, 3), _PAGE, np.uint8)
    _text(sheet, _shortened(title, width - 2 * _MARGIN - 160), _MARGIN, 36, _TITLE, INK, bold=True)
    _legend(sheet, width - _MARGIN, 36)
    for column, (picture, pose) in enumerate(zip(pictures, render_motion(poses, cell, indices), strict=True)):
        x = _MARGIN + column * (cell + gap)
        _place(sheet, letterboxed(picture, cell, height), x, _HEADER)
        _text(sheet, f"{seconds[column]:.2f} s", x + 4, _HEADER + height + 21, 0.46, INK)
        _place(sheet, pose, x, _HEADER + height + label)
    for row, line in enumerate(lines):
        y = _HEADER + height + label + cell + 26 + row * _FOOTER_LINE
        _text(sheet, line, _MARGIN, y, _SMALL, FAINT)
    return sheet


def letterboxed(picture: Frame, width: int, height: int) -> Frame:
    """The whole picture in ``(height, width, 3)``, its aspect kept, bars around it."""
    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    resized = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    boxed = np.full((height, width, 3), _PANEL, np.uint8)
    _paste(boxed, np.asarray(resized, np.uint8), (width - size[0]) // 2, (height - size[1]) // 2)
    return boxed


def _page(title: str, caption: str, reaction_seconds: float) -> Frame:
    """What stays the same in every frame."""
    width = 3 * _MARGIN + _VIDEO_WIDTH + _PANEL_HEIGHT
    lines = _wrapped(caption, width - 2 * _MARGIN)
    height = _HEADER + _PANEL_HEIGHT + 58 + _FOOTER_LINE * len(lines)
    page = np.full((height + height % 2, width, 3), _PAGE, np.uint8)
    right = 2 * _MARGIN + _VIDEO_WIDTH
    _text(page, _shortened(title, _VIDEO_WIDTH), _MARGIN, 36, _TITLE, INK, bold=True)
    _text(page, f"Reaction, {reaction_seconds:.1f} s, from the front", right, 36, _TITLE, INK, bold=True)
    _legend(page, width - _MARGIN, 36)
    for row, line in enumerate(lines):
        _text(page, line, _MARGIN, _HEADER + _PANEL_HEIGHT + 62 + row * _FOOTER_LINE, _SMALL, FAINT)
    return page


def _legend(canvas: Frame, right: int, baseline: int) -> None:
    """Which colour is the person's own left side, and which the right; ends at ``right``."""
    x = right
    for name, colour in (("its right", RIGHT), ("its left", LEFT)):
        x -= _text_width(name, 0.46)
        _text(canvas, name, x, baseline, 0.46, INK)
        cv2.circle(canvas, (x - 11, baseline - 5), 5, colour, cv2.FILLED, cv2.LINE_AA)
        x -= 30


def _time_line(frame: Frame, time: float, seconds: float, sampled_seconds: Sequence[float]) -> None:
    y, left = _HEADER + _PANEL_HEIGHT + 24, _MARGIN + 68
    right = int(frame.shape[1]) - _MARGIN
    _text(frame, f"{time:.2f} s", _MARGIN, y + 6, 0.5, INK, bold=True)

    def x(second: float) -> int:
        return round(left + min(second / seconds, 1.0) * (right - left))

    cv2.line(frame, (left, y), (right, y), _PANEL, 4, cv2.LINE_AA)
    cv2.line(frame, (left, y), (x(time), y), START, 4, cv2.LINE_AA)
    for second in sampled_seconds:
        if second <= seconds:
            cv2.line(frame, (x(second), y + 6), (x(second), y + 10), FAINT, 1, cv2.LINE_AA)
    cv2.circle(frame, (x(time), y), 6, START, cv2.FILLED, cv2.LINE_AA)


def _paler(picture: Frame) -> Frame:
    return np.asarray((picture * (1 - _HELD) + np.array(_PAGE) * _HELD).round(), np.uint8)


def _place(canvas: Frame, picture: Frame, x: int, y: int) -> None:
    """Paste a picture with rounded corners onto the page."""
    _paste(canvas, picture, x, y)
    quarter = np.zeros((2 * _CORNER, 2 * _CORNER), np.uint8)
    cv2.circle(quarter, (_CORNER, _CORNER), _CORNER, 255, cv2.FILLED, cv2.LINE_AA)
    inside = quarter[:_CORNER, :_CORNER, None] / 255  # of the upper left corner
    height, width = picture.shape[:2]
    for top, flip_rows in ((y, 1), (y + height - _CORNER, -1)):
        for left, flip_columns in ((x, 1), (x + width - _CORNER, -1)):
            corner = canvas[top : top + _CORNER, left : left + _CORNER]
            share = inside[::flip_rows, ::flip_columns]
            corner[:] = (corner * share + np.array(_PAGE) * (1 - share)).round()


def _paste(canvas: Frame, picture: NDArray[np.uint8], x: int, y: int) -> None:
    canvas[y : y + picture.shape[0], x : x + picture.shape[1]] = picture


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of whole words that fit ``width`` pixels."""
    lines: list[str] = []
    for word in text.split():
        if lines and _text_width(f"{lines[-1]} {word}", _SMALL) <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return lines


def _shortened(text: str, width: int) -> str:
    """The text, or as much of it as fits ``width`` pixels as a title."""
    if _text_width(text, _TITLE, bold=True) <= width:
        return text
    keep = next(
        n
        for n in range(len(text), -1, -1)
        if _text_width(text[:n] + "...", _TITLE, bold=True) <= width or n == 0
    )
    return text[:keep] + "..."


def _text_width(text: str, scale: float, bold: bool = False) -> int:
    size, _ = cv2.getTextSize(text, _FONT, scale, 2 if bold else 1)
    return int(size[0])


def _text(
    canvas: Frame, text: str, x: int, baseline: int, scale: float, colour: Colour, bold: bool = False
) -> None:
    cv2.putText(canvas, text, (x, baseline), _FONT, scale, colour, 2 if bold else 1, cv2.LINE_AA)
