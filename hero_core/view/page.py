"""The page that pictures stand on: its measures, colours and letters. Pure drawing on RGB arrays."""

import cv2
import numpy as np

from hero_core.view.figure import LEFT, RIGHT, Colour
from hero_core.view.render import FAINT, INK, Frame

MARGIN, HEADER = 24, 56
TITLE, LABEL = 0.62, 0.46  # font scales
PAGE: Colour = (238, 240, 245)
EMPTY: Colour = (224, 228, 235)

_SMALL = 0.44
_BASELINE = 36  # of the title
_FOOTER_LINE, _FOOTER_MARGIN = 22, 12
_CORNER = 10
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def blank_page(width: int, body: int, title: str, title_width: int, caption: str) -> Frame:
    """A page of even height for pictures ``body`` pixels high: title and legend above, caption below."""
    lines = _wrapped(caption, width - 2 * MARGIN)
    height = HEADER + body + _FOOTER_LINE * len(lines) + _FOOTER_MARGIN
    page = np.full((height + height % 2, width, 3), PAGE, np.uint8)
    put_title(page, _shortened(title, title_width), MARGIN)
    _put_legend(page, width - MARGIN)
    for row, line in enumerate(lines):
        put_text(page, line, MARGIN, HEADER + body + 16 + row * _FOOTER_LINE, _SMALL, FAINT)
    return page


def put_title(page: Frame, text: str, x: int) -> None:
    """Write into the header from ``x`` on."""
    put_text(page, text, x, _BASELINE, TITLE, INK, bold=True)


def put_text(
    page: Frame, text: str, x: int, baseline: int, scale: float, colour: Colour = INK, bold: bool = False
) -> None:
    """Write one line."""
    cv2.putText(page, text, (x, baseline), _FONT, scale, colour, 2 if bold else 1, cv2.LINE_AA)


def text_width(text: str, scale: float, bold: bool = False) -> int:
    """Pixels that a line takes."""
    size, _ = cv2.getTextSize(text, _FONT, scale, 2 if bold else 1)
    return int(size[0])


def put_picture(page: Frame, picture: Frame, x: int, y: int) -> None:
    """Paste a picture with rounded corners."""
    _paste(page, picture, x, y)
    quarter = np.zeros((2 * _CORNER, 2 * _CORNER), np.uint8)
    cv2.circle(quarter, (_CORNER, _CORNER), _CORNER, 255, cv2.FILLED, cv2.LINE_AA)
    inside = quarter[:_CORNER, :_CORNER, None] / 255  # of the upper left corner
    height, width = picture.shape[:2]
    for top, flip_rows in ((y, 1), (y + height - _CORNER, -1)):
        for left, flip_columns in ((x, 1), (x + width - _CORNER, -1)):
            corner = page[top : top + _CORNER, left : left + _CORNER]
            share = inside[::flip_rows, ::flip_columns]
            corner[:] = (corner * share + np.array(PAGE) * (1 - share)).round()


def letterboxed(picture: Frame, width: int, height: int) -> Frame:
    """The whole picture in ``(height, width, 3)``, its aspect kept, bars around it."""
    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    resized = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    boxed = np.full((height, width, 3), EMPTY, np.uint8)
    _paste(boxed, np.asarray(resized, np.uint8), (width - size[0]) // 2, (height - size[1]) // 2)
    return boxed


def _put_legend(page: Frame, right: int) -> None:
    """Which colour is the person's own left side, and which the right; ends at ``right``."""
    x = right
    for name, colour in (("its right", RIGHT), ("its left", LEFT)):
        x -= text_width(name, LABEL)
        put_text(page, name, x, _BASELINE, LABEL)
        cv2.circle(page, (x - 11, _BASELINE - 5), 5, colour, cv2.FILLED, cv2.LINE_AA)
        x -= 30


def _paste(page: Frame, picture: Frame, x: int, y: int) -> None:
    page[y : y + picture.shape[0], x : x + picture.shape[1]] = picture


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of whole words that fit ``width`` pixels."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", _SMALL) <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return lines


def _shortened(text: str, width: int) -> str:
    """The text, or as much of it as fits ``width`` pixels as a title."""
    shown = text
    while text and text_width(shown, TITLE, bold=True) > width:
        text = text[:-1]
        shown = text + "..."
    return shown
