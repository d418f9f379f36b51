"""Soft-edged shapes on a canvas of Hounsfield units: signed distances, unions and paint.

All lengths are mm. A signed distance is negative inside. Painting covers a pixel by the share
that lies inside, so edges have the partial volume that a scanner gives them.
"""

import math
from dataclasses import dataclass

import numpy as np

from vestige.types import Float32s


@dataclass(frozen=True)
class Canvas:
    """One slice being painted.

    x, y : float32 [s, s], the body's mm at each pixel (x to the patient's left, y to the back),
    bent by a smooth field that makes every outline individual; hu : float32 [s, s], painted in
    place; pixel : mm per pixel; turn, right, down : where the body lies in the picture (radians,
    mm); slack : the largest bend, mm.
    """

    x: Float32s
    y: Float32s
    hu: Float32s
    pixel: float
    turn: float
    right: float
    down: float
    slack: float

    def to_pixels(self, x: Float32s, y: Float32s) -> tuple[Float32s, Float32s]:
        """Where points of the body (mm) fall: column and row, in pixels; ignores the bend."""
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        middle = (self.hu.shape[0] - 1) / 2
        column = (cos * x - sin * y + self.right) / self.pixel + middle
        row = (sin * x + cos * y + self.down) / self.pixel + middle
        return column, row

    def box(self, x: float, y: float, reach: float) -> tuple[slice, slice]:
        """The part of the canvas that a shape within `reach` of (x, y) can touch."""
        column, row = self.to_pixels(np.array([x], np.float32), np.array([y], np.float32))
        margin = (reach + self.slack) / self.pixel + 2
        return _span(float(row[0]), margin), _span(float(column[0]), margin)


def _span(centre: float, margin: float) -> slice:
    return slice(max(0, math.floor(centre - margin)), max(0, math.ceil(centre + margin) + 1))


def ellipse(
    x: Float32s,
    y: Float32s,
    at: tuple[float, float],
    radii: tuple[float, float],
    tilt: float = 0.0,
) -> Float32s:
    """Distance to an ellipse, measured along the ray from its centre; `tilt` in radians."""
    dx, dy = x - at[0], y - at[1]
    if tilt:
        cos, sin = math.cos(tilt), math.sin(tilt)
        dx, dy = cos * dx + sin * dy, cos * dy - sin * dx
    dx, dy = dx * dx, dy * dy
    least = min(radii)
    # the small constant makes the distance at the centre minus the smaller radius
    radius = np.sqrt(dx + dy + 1e-4)
    scaled = np.sqrt(dx / radii[0] ** 2 + dy / radii[1] ** 2 + 1e-4 / least**2)
    return np.asarray(radius - radius / scaled, np.float32)


def capsule(
    x: Float32s,
    y: Float32s,
    start: tuple[float, float],
    end: tuple[float, float],
    radius: float,
) -> Float32s:
    """Distance to a bar with round ends."""
    along_x, along_y = end[0] - start[0], end[1] - start[1]
    dx, dy = x - start[0], y - start[1]
    length = max(along_x**2 + along_y**2, 1e-6)
    t = np.clip((dx * along_x + dy * along_y) / length, 0.0, 1.0)
    dx, dy = dx - t * along_x, dy - t * along_y
    return np.asarray(np.sqrt(dx * dx + dy * dy) - radius, np.float32)


def union(a: Float32s, b: Float32s, blend: float) -> Float32s:
    """Union of two shapes whose seam is rounded over `blend` mm (polynomial smooth minimum)."""
    near = np.maximum(blend - np.abs(a - b), 0.0)
    return np.asarray(np.minimum(a, b) - near * near / (4 * blend), np.float32)


def join_ellipse(
    canvas: Canvas,
    distance: Float32s,
    at: tuple[float, float],
    radii: tuple[float, float],
    tilt: float = 0.0,
    grow: float = 0.0,
    blend: float = 7.0,
) -> None:
    """Union of `distance` with an ellipse widened by `grow`, in place.

    Touches only the pixels around the ellipse: farther off, distances remain larger than the truth,
    which moves no edge.
    """
    box = canvas.box(*at, max(radii) + grow + blend + 6)
    shape = ellipse(canvas.x[box], canvas.y[box], at, radii, tilt) - grow
    distance[box] = union(distance[box], shape, blend)


def cover(distance: Float32s, pixel: float) -> Float32s:
    """Share of each pixel that lies inside, 0..1."""
    return np.asarray(np.clip(0.5 - distance / pixel, 0.0, 1.0), np.float32)


def paint(hu: Float32s, distance: Float32s, value: Float32s | float, pixel: float) -> None:
    """Paint a shape, in place."""
    hu += (value - hu) * cover(distance, pixel)


def paint_ellipse(
    canvas: Canvas,
    value: float,
    at: tuple[float, float],
    radii: tuple[float, float],
    tilt: float = 0.0,
) -> None:
    """Paint an ellipse; touches only the pixels around it."""
    box = canvas.box(*at, max(radii))
    distance = ellipse(canvas.x[box], canvas.y[box], at, radii, tilt)
    paint(canvas.hu[box], distance, value, canvas.pixel)


def paint_capsule(
    canvas: Canvas,
    value: float,
    start: tuple[float, float],
    end: tuple[float, float],
    radius: float,
) -> None:
    """Paint a bar with round ends; touches only the pixels around it."""
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    box = canvas.box(*middle, math.dist(start, end) / 2 + radius)
    distance = capsule(canvas.x[box], canvas.y[box], start, end, radius)
    paint(canvas.hu[box], distance, value, canvas.pixel)
