import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vestige.types import Float32s
from vestige.worlds.shapes import (
    Canvas,
    capsule,
    cover,
    ellipse,
    join_ellipse,
    paint,
    paint_capsule,
    paint_ellipse,
    union,
)

coordinate = st.floats(-40, 40)


def canvas(size: int = 64, pixel: float = 2.0, turn: float = 0.1) -> Canvas:
    axis = (np.arange(size, dtype=np.float32) - (size - 1) / 2) * np.float32(pixel)
    across, along = axis[None, :] - 3, axis[:, None] + 5
    cos, sin = math.cos(turn), math.sin(turn)
    x, y = cos * across + sin * along, cos * along - sin * across
    return Canvas(x, y, np.zeros((size, size), np.float32), pixel, turn, 3.0, -5.0, slack=0.0)


def test_pixels_and_millimetres_are_inverse() -> None:
    c = canvas()
    column, row = c.to_pixels(c.x, c.y)
    np.testing.assert_allclose(column, np.broadcast_to(np.arange(64), (64, 64)), atol=1e-3)
    np.testing.assert_allclose(row, np.broadcast_to(np.arange(64)[:, None], (64, 64)), atol=1e-3)


@given(coordinate, coordinate, st.floats(1, 30), coordinate, coordinate)
def test_a_circle_has_its_exact_distance(
    cx: float, cy: float, radius: float, px: float, py: float
) -> None:
    found = ellipse(_one(px), _one(py), (cx, cy), (radius, radius), 0.7)
    assert float(found[0]) == pytest.approx(math.dist((cx, cy), (px, py)) - radius, abs=0.02)


@given(st.floats(0, 2 * math.pi), st.floats(2, 30), st.floats(2, 30), st.floats(-3, 3))
def test_the_edge_of_an_ellipse_is_at_distance_zero(
    angle: float, a: float, b: float, tilt: float
) -> None:
    u, v = a * math.cos(angle), b * math.sin(angle)
    x = 5 + u * math.cos(tilt) - v * math.sin(tilt)
    y = -2 + u * math.sin(tilt) + v * math.cos(tilt)
    assert abs(float(ellipse(_one(x), _one(y), (5, -2), (a, b), tilt)[0])) < 1e-2


def test_the_centre_of_an_ellipse_is_inside() -> None:
    assert float(ellipse(_one(4), _one(4), (4, 4), (9, 5))[0]) == pytest.approx(-5, abs=0.05)


@given(coordinate, coordinate)
@settings(max_examples=50)
def test_a_capsule_is_as_far_as_the_nearest_point_of_its_axis(px: float, py: float) -> None:
    start, end = (-10.0, 4.0), (12.0, -8.0)
    axis = np.linspace(start, end, 4001)
    nearest = np.sqrt(((axis - (px, py)) ** 2).sum(axis=1)).min()
    found = float(capsule(_one(px), _one(py), start, end, 3.0)[0])
    assert found == pytest.approx(nearest - 3, abs=0.01)


@given(coordinate, coordinate, st.floats(1, 20))
def test_a_union_holds_both_shapes_and_differs_only_at_the_seam(
    a: float, b: float, blend: float
) -> None:
    joined = float(union(_one(a), _one(b), blend)[0])
    assert joined <= min(a, b) + 1e-4
    assert joined >= min(a, b) - blend / 4 - 1e-4
    if abs(a - b) > blend:
        assert joined == pytest.approx(min(a, b), abs=1e-4)


def test_painted_area_is_the_area_of_the_shape() -> None:
    c = canvas()
    paint_ellipse(c, 1.0, (4, -3), (20, 12), 0.4)
    assert c.hu.sum() * c.pixel**2 == pytest.approx(math.pi * 20 * 12, rel=0.02)


def test_painting_in_a_box_equals_painting_everywhere() -> None:
    boxed, whole = canvas(), canvas()
    paint_ellipse(boxed, 7.0, (22, 9), (14, 8), 0.5)
    paint_capsule(boxed, -3.0, (-30, -20), (5, 11), 4.0)
    paint(whole.hu, ellipse(whole.x, whole.y, (22, 9), (14, 8), 0.5), 7.0, whole.pixel)
    paint(whole.hu, capsule(whole.x, whole.y, (-30, -20), (5, 11), 4.0), -3.0, whole.pixel)
    np.testing.assert_allclose(boxed.hu, whole.hu, atol=1e-4)


def test_joining_in_a_box_moves_no_edge() -> None:
    c = canvas()
    start = ellipse(c.x, c.y, (-10, 0), (15, 20))
    joined = start.copy()
    join_ellipse(c, joined, (12, 6), (11, 7), 0.3, grow=2, blend=5)
    whole = union(start, ellipse(c.x, c.y, (12, 6), (11, 7), 0.3) - 2, 5)
    np.testing.assert_allclose(cover(joined, c.pixel), cover(whole, c.pixel), atol=1e-4)


def test_a_shape_off_the_canvas_paints_nothing() -> None:
    c = canvas()
    paint_ellipse(c, 1.0, (900, 900), (20, 12))
    paint_ellipse(c, 1.0, (-900, -900), (20, 12))
    assert not c.hu.any()


def _one(value: float) -> Float32s:
    return np.array([value], np.float32)
