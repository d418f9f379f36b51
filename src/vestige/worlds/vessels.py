"""Branching vessels: space-filling trees in three dimensions, and their cut by a slice."""

from dataclasses import dataclass

import numpy as np

from vestige.types import Float32s
from vestige.worlds.shapes import Canvas

BOW = 0.06  # how far a branch bends off its chord, as a share of its length


TAPER = 0.37  # Murray's law has 1 / 3


@dataclass(frozen=True)
class Branches:
    """Slightly bowed tubes. start, end, bow : float32 [n, 3] mm; radius : float32 [n] mm."""

    start: Float32s
    end: Float32s
    bow: Float32s
    radius: Float32s


def grow(
    rng: np.random.Generator, roots: Float32s, targets: Float32s, radius: Float32s
) -> Branches:
    """Grow one tree per root until it feeds every target.

    At every fork the targets are split in two halves of equal number by a plane in a random
    direction, and each branch goes part of the way to the middle of its half. A branch that feeds
    k targets has the radius root * (k / all) ^ TAPER.

    Parameters
    ----------
    roots, targets : shapes (t, 3) and (t, 2^p, 3)
        mm.
    radius : shape (t,)
        Of the root, mm.
    """
    trees, total, _ = targets.shape
    middles = _halved(rng, targets.astype(np.float32))
    here = roots[:, None, :].astype(np.float32)
    found: list[tuple[Float32s, Float32s, Float32s, Float32s]] = []
    for middle in middles:
        nodes = middle.shape[1]
        share = 0.4 + 0.25 * rng.random((trees, nodes, 1), np.float32)
        there = middle if nodes == total else here + share * (middle - here)
        length = np.sqrt(((there - here) ** 2).sum(axis=2, keepdims=True))
        bow = rng.standard_normal(there.shape, np.float32) * (BOW * length)
        wide = 0.75 + 0.5 * rng.random((trees, nodes), np.float32)
        wide *= radius[:, None] * np.float32(nodes**-TAPER)
        found.append((here, there, bow, wide))
        here = np.repeat(there, 2, axis=1)
    start, end, bow = (np.concatenate([row[i].reshape(-1, 3) for row in found]) for i in range(3))
    return Branches(start, end, bow, np.concatenate([row[3].ravel() for row in found]))


def _halved(rng: np.random.Generator, points: Float32s) -> list[Float32s]:
    """Halve the points again and again; the middles of the 1, 2, 4, ... parts of each tree."""
    trees, total, _ = points.shape
    nodes = 1
    while nodes < total:
        plane = rng.standard_normal((3, trees, nodes, 1), np.float32)
        parts = points.reshape(trees, nodes, -1, 3)
        height = sum(parts[..., i] * plane[i] for i in range(3))
        order = np.argsort(height, axis=2)
        order += np.arange(0, trees * total, total // nodes).reshape(trees, nodes, 1)
        points = points.reshape(-1, 3)[order.ravel()]
        nodes *= 2
    middles = [points.reshape(trees, total, 3)]
    while middles[0].shape[1] > 1:
        middles.insert(0, (middles[0][:, ::2] + middles[0][:, 1::2]) / np.float32(2))
    return middles


def cut(branches: Branches, z: float, thickness: float, canvas: Canvas) -> Float32s:
    """Share of each pixel covered by vessels in a slice at height `z`, float32 [s, s], 0..1.

    A vessel along the slice shows as a line, one across it as a dot.
    """
    half = thickness / 2
    ends = np.stack([branches.start[:, 2], branches.end[:, 2]]) - z
    reach = branches.radius + half + np.abs(branches.bow[:, 2])
    near = (ends.min(axis=0) < reach) & (ends.max(axis=0) > -reach)
    start, end, bow = branches.start[near], branches.end[near], branches.bow[near]
    # beads at most half a pixel apart on every branch near the slice
    length = np.linalg.norm(end - start, axis=1)
    beads = np.ceil(length * 2 / canvas.pixel).astype(np.int64) + 1
    owner = np.repeat(np.arange(beads.size), beads)
    first = np.cumsum(beads) - beads
    t = ((np.arange(owner.size) - first[owner]) / (beads[owner] - 1)).astype(np.float32)[:, None]
    point = start[owner] + t * (end - start)[owner] + 4 * t * (1 - t) * bow[owner]
    radius = branches.radius[near][owner]
    away = np.maximum(np.abs(point[:, 2] - z) - half, 0.0)
    keep = away < radius
    point, radius, away = point[keep], radius[keep], away[keep]
    column, row = canvas.to_pixels(point[:, 0], point[:, 1])
    # a vessel thinner than the slice fills only part of it
    strength = np.minimum(1.0, 2 * radius / thickness) ** 0.4
    flat = np.sqrt(radius**2 - away**2) / canvas.pixel
    return _stamp(canvas.hu.shape[0], column, row, flat, strength)


def _stamp(
    size: int, column: Float32s, row: Float32s, radius: Float32s, strength: Float32s
) -> Float32s:
    """Discs of `radius` pixels, the strongest wins; discs off the canvas are left out."""
    out = np.zeros(size * size, np.float32)
    classes = np.digitize(radius, (0.75, 2.75))
    for kind in range(3):
        chosen = classes == kind
        if not chosen.any():
            continue
        reach = int(radius[chosen].max() + 1)
        step = np.arange(-reach, reach + 1)
        c, r = np.rint(column[chosen]).astype(int), np.rint(row[chosen]).astype(int)
        inside = (c >= reach) & (r >= reach) & (c < size - reach) & (r < size - reach)
        c, r = c[inside], r[inside]
        dx = c[:, None] + step - column[chosen][inside][:, None]
        dy = r[:, None] + step - row[chosen][inside][:, None]
        wide = radius[chosen][inside][:, None, None]
        away = np.sqrt(dx[:, None, :] ** 2 + dy[:, :, None] ** 2)
        disc = np.clip(wide - away + 0.5, 0.0, np.minimum(1.0, 2 * wide))
        disc *= strength[chosen][inside][:, None, None]
        where = (r[:, None, None] + step[:, None]) * size + c[:, None, None] + step
        np.maximum.at(out, where.ravel(), disc.astype(np.float32).ravel())
    return out.reshape(size, size)
