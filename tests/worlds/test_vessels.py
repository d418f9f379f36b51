import math

import numpy as np
import pytest

from vestige.types import Float32s
from vestige.worlds.shapes import Canvas
from vestige.worlds.vessels import Branches, cut, grow


def canvas(size: int = 64) -> Canvas:
    axis = np.arange(size, dtype=np.float32) - (size - 1) / 2
    x, y = (
        np.broadcast_to(axis, (size, size)),
        np.broadcast_to(axis[:, None], (size, size)),
    )
    return Canvas(x, y, np.zeros((size, size), np.float32), 1.0, 0.0, 0.0, 0.0, 0.0)


def tube(start: tuple[float, ...], end: tuple[float, ...], radius: float) -> Branches:
    ends = np.array([[start], [end], [(0, 0, 0)]], np.float32)
    return Branches(ends[0], ends[1], ends[2], np.array([radius], np.float32))


@pytest.fixture(scope="module")
def targets() -> Float32s:
    return np.random.default_rng(1).uniform(-50, 50, (2, 64, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def trees(targets: Float32s) -> Branches:
    roots = np.array([[-60, 0, 0], [60, 0, 0]], np.float32)
    return grow(np.random.default_rng(0), roots, targets, np.array([5, 5], np.float32))


def test_every_target_is_fed_once(trees: Branches, targets: Float32s) -> None:
    assert len(trees.start) == 2 * (2 * 64 - 1)
    ends = {tuple(point) for point in trees.end[-128:]}
    assert ends == {tuple(point) for point in targets.reshape(-1, 3)}


def test_every_branch_begins_where_another_ends_or_at_a_root(trees: Branches) -> None:
    ends = {tuple(point) for point in trees.end} | {(-60, 0, 0), (60, 0, 0)}
    assert all(tuple(point) in ends for point in trees.start)


def test_branches_taper(trees: Branches) -> None:
    assert trees.radius[:2].min() > 3 * trees.radius[-128:].max()
    assert (trees.radius > 0).all()


def test_a_vessel_across_the_slice_is_a_disc() -> None:
    disc = cut(tube((3, -4, -30), (3, -4, 30), 5.0), 0.0, 2.0, canvas())
    assert disc.sum() == pytest.approx(math.pi * 25, rel=0.08)
    rows, columns = np.nonzero(disc > 0.5)
    assert columns.mean() == pytest.approx(31.5 + 3, abs=0.3)
    assert rows.mean() == pytest.approx(31.5 - 4, abs=0.3)


def test_a_vessel_along_the_slice_is_a_line() -> None:
    line = cut(tube((-15, 0, 0), (15, 0, 0), 2.0), 0.0, 2.0, canvas())
    assert line.sum() == pytest.approx(30 * 4 + math.pi * 4, rel=0.1)
    assert line.max() == pytest.approx(1.0)


def test_a_vessel_elsewhere_is_not_seen() -> None:
    assert not cut(tube((0, 0, 10), (0, 0, 40), 3.0), 0.0, 4.0, canvas()).any()
    assert not cut(tube((500, 0, 0), (600, 0, 0), 3.0), 0.0, 4.0, canvas()).any()


def test_thin_vessels_are_faint() -> None:
    thin = cut(tube((-15, 0, 0), (15, 0, 0), 0.2), 0.0, 5.0, canvas())
    assert 0 < thin.max() < 0.4
