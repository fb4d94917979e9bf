"""Anti-aliased drawing with sub-pixel positions, in picture heights instead of pixels."""

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.minivimo.look import Colour
from pipeline.minivimo.view import Point

_SHIFT = 4  # fractional bits of OpenCV's fixed-point coordinates
_ONE = 1 << _SHIFT
_LIMIT = 20.0  # heights; keeps far-off points inside OpenCV's integers


class Canvas:
    """Draws on `image` (h, w, 3) uint8 RGB, in place.

    x = 0 is the middle of the picture, y = 0 its top; both count in picture heights. `origin` shifts
    everything (camera shake).
    """

    def __init__(self, image: np.ndarray, origin: Point = (0.0, 0.0)) -> None:
        self.image = image
        self.unit = int(image.shape[0])
        self.half_width = float(image.shape[1] / image.shape[0] / 2)
        self.origin = origin

    def disc(self, centre: Point, radius: float, colour: Colour) -> None:
        """A filled circle."""
        self.ellipse(centre, (radius, radius), colour)

    def ellipse(
        self,
        centre: Point,
        radii: Point,
        colour: Colour,
        angle: float = 0.0,
        arc: tuple[float, float] = (0.0, 360.0),
    ) -> None:
        """A filled ellipse, or a filled sector of one; angles in degrees, clockwise."""
        size = (max(int(radii[0] * self.unit * _ONE), 1), max(int(radii[1] * self.unit * _ONE), 1))
        cv2.ellipse(
            self.image, self._pixel(centre), size, angle, arc[0], arc[1], colour, -1, cv2.LINE_AA, _SHIFT
        )

    def arc(
        self, centre: Point, radii: Point, arc: tuple[float, float], width: float, colour: Colour
    ) -> None:
        """A part of an ellipse's outline."""
        size = (max(int(radii[0] * self.unit * _ONE), 1), max(int(radii[1] * self.unit * _ONE), 1))
        cv2.ellipse(
            self.image,
            self._pixel(centre),
            size,
            0,
            arc[0],
            arc[1],
            colour,
            self._width(width),
            cv2.LINE_AA,
            _SHIFT,
        )

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """An open line with round ends and joints."""
        corners = np.array([self._pixel(point) for point in points], np.int32)
        cv2.polylines(self.image, [corners], False, colour, self._width(width), cv2.LINE_AA, _SHIFT)

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """A filled polygon."""
        corners = np.array([self._pixel(point) for point in points], np.int32)
        cv2.fillPoly(self.image, [corners], colour, cv2.LINE_AA, _SHIFT)

    def box(self, left_top: Point, right_bottom: Point, colour: Colour) -> None:
        """A filled upright rectangle."""
        (left, top), (right, bottom) = left_top, right_bottom
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def _pixel(self, point: Point) -> tuple[int, int]:
        x = min(max(point[0] + self.origin[0], -_LIMIT), _LIMIT)
        y = min(max(point[1] + self.origin[1], -_LIMIT), _LIMIT)
        return round((x + self.half_width) * self.unit * _ONE), round(y * self.unit * _ONE)

    def _width(self, width: float) -> int:
        return max(round(width * self.unit), 1)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """The colour `share` of the way from `a` to `b`."""
    red, green, blue = (round(p + (q - p) * share) for p, q in zip(a, b, strict=True))
    return red, green, blue


def shade(colour: Colour, factor: float) -> Colour:
    """A darker (factor < 1) or lighter (factor > 1) colour."""
    red, green, blue = (min(max(round(c * factor), 0), 255) for c in colour)
    return red, green, blue
