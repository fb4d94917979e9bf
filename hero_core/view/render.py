"""Draws a motion as a figure that moves over a floor: joints in, RGB frames out. Pure; OpenCV and numpy only.

Space as in HumanML3D: metres, Y up, the first pose at the origin facing +Z with its left side at +X.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d

from hero_core.errors import InputError
from hero_core.motion.format import FPS, JOINT_COUNT
from hero_core.view.figure import HEAD_RADIUS_M, START, Array, Colour, Part, body_parts, facing

Frame = NDArray[np.uint8]  # (h, w, 3) RGB

BACKGROUND: Colour = (252, 252, 254)
INK: Colour = (44, 52, 64)
FAINT: Colour = (126, 136, 151)
_TILE: Colour = (229, 233, 240)

_SUPERSAMPLING = 2
_SUBPIXEL_BITS = 4
_TILE_M, _FLOOR_FADES_AT_M = 0.5, 2.6
_FIELD_OF_VIEW = np.deg2rad(32.0)
_ELEVATION, _AZIMUTH = np.deg2rad(20.0), np.deg2rad(32.0)  # of the camera; 0 is ahead of the first pose
_TARGET_HEIGHT_M = 0.8
_FOLLOW_SECONDS = 0.6
_MARGIN = 0.86  # share of the half frame that the body may fill
_LIGHT = np.array([-0.6, -0.8])  # pixels: from the upper left
_ON_FLOOR = np.array([1.0, 0.0, 1.0])


class Camera(NamedTuple):
    """A pinhole camera: the rows of ``axes`` point right, down and ahead in the world."""

    eye: Array  # (3,)
    axes: Array  # (3, 3)
    focal: float  # pixels
    size: int  # pixels, of the square frame

    def project(self, points: ArrayLike) -> tuple[Array, Array]:
        """Pixels (..., 2) and depths in metres (...) of points (..., 3)."""
        seen = (np.asarray(points, np.float64) - self.eye) @ self.axes.T  # (..., 3)
        depth = np.maximum(seen[..., 2], 1e-3)
        return seen[..., :2] / depth[..., None] * self.focal + self.size / 2, depth


def render_motion(joints: ArrayLike, size: int = 480) -> Iterator[Frame]:
    """One frame ``(size, size, 3)`` per pose, with the path of the root and a mark where it started, facing where.

    Args:
        joints: ``(n, 22, 3)`` positions in metres at 20 fps.
        size: pixels of a side.

    Raises:
        InputError: the joints have another shape or are not finite.
    """
    positions = np.asarray(joints, np.float64)
    if positions.ndim != 3 or positions.shape[1:] != (JOINT_COUNT, 3) or len(positions) == 0:
        raise InputError(f"cannot draw joints {positions.shape}: expected (n, {JOINT_COUNT}, 3)")
    if not np.isfinite(positions).all():
        raise InputError("cannot draw joints that are not finite")
    cameras = camera_path(positions, size * _SUPERSAMPLING)
    return (_draw(positions, index, camera, size) for index, camera in enumerate(cameras))


def camera_path(joints: Array, size: int) -> list[Camera]:
    """One camera per frame: it follows the root smoothly, from a distance at which every pose fits."""
    axes = _camera_axes()
    focal = size / 2 / np.tan(_FIELD_OF_VIEW / 2)
    target = gaussian_filter1d(joints[:, 0] * _ON_FLOOR, _FOLLOW_SECONDS * FPS, axis=0, mode="nearest")
    target[:, 1] = _TARGET_HEIGHT_M
    seen = (joints - target[:, None]) @ axes.T  # (n, 22, 3), from the target
    reach = np.abs(seen[..., :2]).max(axis=-1) + HEAD_RADIUS_M * 1.5  # (n, 22)
    distance = float((reach * 2 * focal / (size * _MARGIN) - seen[..., 2]).max())
    return [Camera(point - axes[2] * distance, axes, focal, size) for point in target]


def _camera_axes() -> Array:
    level = np.cos(_ELEVATION)
    ahead = -np.array([level * np.sin(_AZIMUTH), np.sin(_ELEVATION), level * np.cos(_AZIMUTH)])
    right = np.cross(ahead, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(ahead, right), ahead])


def _draw(joints: Array, index: int, camera: Camera, size: int) -> Frame:
    canvas = _floor(camera)
    _draw_trail(canvas, camera, joints[: index + 1, 0])
    _draw_start(canvas, camera, joints[0])
    parts = body_parts(joints[index])
    canvas = _shadowed(canvas, camera, parts)
    _, depths = camera.project(np.stack([part.anchor for part in parts]))
    for order in np.argsort(-depths):
        _draw_part(canvas, camera, parts[order])
    return _resized(canvas, size, cv2.INTER_AREA)


def _floor(camera: Camera) -> Frame:
    """A checkerboard on y = 0 that fades into the background, averaged over each pixel's footprint."""
    pixels = (np.arange(camera.size // _SUPERSAMPLING) + 0.5) * _SUPERSAMPLING - camera.size / 2
    across, down = np.meshgrid(pixels.astype(np.float32), pixels.astype(np.float32))
    rays = (
        across[..., None] * camera.axes[0] + down[..., None] * camera.axes[1] + camera.focal * camera.axes[2]
    )
    reach = -camera.eye[1] / np.minimum(rays[..., 1], -1e-6)
    ground = camera.eye[[0, 2]] + rays[..., [0, 2]] * reach[..., None]  # (h, w, 2) metres
    centre = (camera.eye - camera.axes[2] * (camera.eye[1] / camera.axes[2, 1]))[[0, 2]]
    fade = np.exp(-((ground - centre) ** 2).sum(axis=-1) / _FLOOR_FADES_AT_M**2) * (rays[..., 1] < 0)
    waves = [_averaged_square_wave(ground[..., axis] / _TILE_M) for axis in (0, 1)]
    dark = np.asarray(((127.5 - 127.5 * waves[0] * waves[1]) * fade).round(), np.uint8)  # (h, w)
    shades = np.array([mix(BACKGROUND, _TILE, step / 255) for step in range(256)], np.uint8)
    return _resized(shades[dark], camera.size, cv2.INTER_LINEAR)


def _averaged_square_wave(tiles: Array) -> Array:
    """The +1/-1 pattern of period 2 at ``tiles`` (h, w), box-filtered over each pixel."""
    width = np.maximum(np.maximum(*(np.abs(step) for step in np.gradient(tiles))), 1e-3)

    def integral(position: Array) -> Array:
        return np.asarray(np.abs(position - 2 * np.floor(position / 2) - 1))

    return np.asarray((integral(tiles - width / 2) - integral(tiles + width / 2)) / width)


def _draw_start(canvas: Frame, camera: Camera, pose: Array) -> None:
    """A ring where the motion starts and an arrow to where the body faces."""
    centre, ahead = pose[0] * _ON_FLOOR, facing(pose)
    side = np.array([ahead[2], 0.0, -ahead[0]])
    angle = np.linspace(0, 2 * np.pi, 64)[:, None]
    _polyline(canvas, camera, centre + 0.34 * (np.cos(angle) * ahead + np.sin(angle) * side), 0.016, START)
    tip, base = centre + 0.78 * ahead, centre + 0.55 * ahead
    _polyline(canvas, camera, np.stack([centre + 0.36 * ahead, base]), 0.03, START)
    _polygon(canvas, camera.project(np.stack([tip, base + 0.11 * side, base - 0.11 * side]))[0], START)


def _draw_trail(canvas: Frame, camera: Camera, root: Array) -> None:
    """The root's way over the floor so far, fainter the longer ago."""
    ground = root * _ON_FLOOR
    for index in range(len(ground) - 1):
        age_seconds = (len(ground) - 1 - index) / FPS
        colour = mix(BACKGROUND, FAINT, float(np.exp(-age_seconds / 2.5)) * 0.9 + 0.1)
        _polyline(canvas, camera, ground[index : index + 2], 0.014, colour)


def _shadowed(canvas: Frame, camera: Camera, parts: Sequence[Part]) -> Frame:
    """The canvas under a soft shadow of the body, darker the nearer a part is to the floor."""
    shade = np.zeros((camera.size // 2, camera.size // 2), np.uint8)  # it is soft: half the pixels do
    for centres, radii, _ in (hull for part in parts for hull in part.hulls):
        strength = np.exp(-max(float(centres[:, 1].mean()), 0.0) / 0.55)
        pixels, depth = camera.project(centres * _ON_FLOOR)
        layer = np.zeros_like(shade)
        _polygon(layer, _outline(pixels, radii * camera.focal / depth) / 2, 255 * strength)
        np.maximum(shade, layer, out=shade)
    soft = _resized(cv2.GaussianBlur(shade, (0, 0), camera.size / 220), camera.size, cv2.INTER_LINEAR)
    dimmed = canvas.astype(np.uint16) * (255 - (soft * np.float32(0.42)).astype(np.uint16))[..., None]
    return (dimmed // 255).astype(np.uint8)


def _draw_part(canvas: Frame, camera: Camera, part: Part) -> None:
    """All rims first, then the shaded side, then the lit one, so that the joints inside a part do not show."""
    layers = (  # shift towards the light and share of the radius, pixels of rim, colour
        (0.0, 1.0, camera.size / 380, mix(part.colour, BACKGROUND, 0.9)),
        (0.0, 1.0, 0.0, mix(part.colour, INK, 0.22)),
        (0.17, 0.80, 0.0, part.colour),
        (0.55, 0.38, 0.0, mix(part.colour, (255, 255, 255), 0.16)),
    )
    for shift, share, rim, tone in layers:
        for centres, radii, _ in part.hulls:
            pixels, depth = camera.project(centres)
            scaled = radii * camera.focal / depth
            _polygon(canvas, _outline(pixels + shift * scaled[:, None] * _LIGHT, scaled * share + rim), tone)


def _outline(centres: Array, radii: Array) -> Array:
    """Convex outline (m, 2) of circles in pixels."""
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    points = (centres[:, None] + radii[:, None, None] * circle).reshape(-1, 2).astype(np.float32)
    return np.asarray(cv2.convexHull(points)[:, 0], np.float64)


def _polygon(canvas: NDArray[Any], pixels: Array, colour: Colour | float) -> None:
    cv2.fillConvexPoly(canvas, _fixed_point(pixels), colour, cv2.LINE_AA, _SUBPIXEL_BITS)


def _polyline(canvas: Frame, camera: Camera, points: Array, width_m: float, colour: Colour) -> None:
    pixels, depth = camera.project(points)
    width = max(1, round(width_m * camera.focal / float(depth.mean())))
    cv2.polylines(canvas, [_fixed_point(pixels)], False, colour, width, cv2.LINE_AA, _SUBPIXEL_BITS)


def _fixed_point(pixels: Array) -> NDArray[np.int32]:
    return np.asarray(np.round(pixels * 2**_SUBPIXEL_BITS), np.int32)


def _resized(image: NDArray[Any], size: int, interpolation: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(image, (size, size), interpolation=interpolation), np.uint8)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """``first`` with a ``share`` of ``second`` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
