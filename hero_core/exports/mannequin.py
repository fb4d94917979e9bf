"""The drawn body as a mesh that a skeleton moves: hulls of balls around the joints of a T-pose."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from hero_core.motion.rotations import Array
from hero_core.view.figure import Colour, Hull, body_parts

_BALL_POINTS = 128


class Skin(NamedTuple):
    """Triangles of one colour; each vertex moves with one joint."""

    vertices: Array  # (v, 3) metres
    normals: Array  # (v, 3)
    carriers: NDArray[np.uint8]  # (v,) joints
    triangles: NDArray[np.uint16]  # (t, 3) vertices, counter-clockwise seen from outside
    colour: Colour


def mannequin(pose: Array) -> list[Skin]:
    """The body whose 22 joints rest at ``pose`` (22, 3), facing +Z: a skin for each colour."""
    hulls: dict[Colour, list[Hull]] = {}
    for part in body_parts(pose):
        hulls.setdefault(part.colour, []).extend(part.hulls)
    return [_joined([_skin(hull, colour) for hull in each]) for colour, each in hulls.items()]


def _joined(skins: list[Skin]) -> Skin:
    starts = np.cumsum([0, *(len(skin.vertices) for skin in skins[:-1])])
    return Skin(
        np.concatenate([skin.vertices for skin in skins]),
        np.concatenate([skin.normals for skin in skins]),
        np.concatenate([skin.carriers for skin in skins]),
        np.concatenate(
            [skin.triangles + np.uint16(start) for skin, start in zip(skins, starts, strict=True)]
        ),
        skins[0].colour,
    )


def _skin(hull: Hull, colour: Colour) -> Skin:
    ball = _ball()
    points = (hull.centres[:, None] + hull.radii[:, None, None] * ball).reshape(-1, 3)
    normals = np.tile(ball, (len(hull.centres), 1))  # what is outermost of a ball is outermost of the hull
    carriers = np.repeat(np.array(hull.carriers, np.uint8), len(ball))
    convex = ConvexHull(points)
    kept = convex.vertices
    corners = points[convex.simplices]  # (t, 3, 3)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    inward = np.sum(across * convex.equations[:, :3], axis=1) < 0.0
    triangles = np.where(inward[:, None], convex.simplices[:, ::-1], convex.simplices)
    number = np.zeros(len(points), np.uint16)
    number[kept] = np.arange(len(kept))
    return Skin(points[kept], normals[kept], carriers[kept], number[triangles], colour)


def _ball() -> Array:
    """Points (b, 3) spread evenly over the unit sphere, on a spiral from pole to pole (Gonzalez, 2010)."""
    index = np.arange(_BALL_POINTS)
    height = 1.0 - (2.0 * index + 1.0) / _BALL_POINTS
    around = index * np.pi * (3.0 - np.sqrt(5.0))
    width = np.sqrt(1.0 - height**2)
    return np.stack([width * np.cos(around), height, width * np.sin(around)], axis=-1)
