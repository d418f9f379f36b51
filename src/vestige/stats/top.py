"""The k nearest rows as a small state that is merged in any order: shards, blocks, machines.

Why any cut of the pool gives the same bytes: the state holds float64 distances by direct
subtraction, which depend on the two rows alone, in the total order (distance, row). The k smallest
of a set in a total order do not depend on how the set was cut, nor on what was merged first.

Why nothing is missed: float32 matrix products only say which pairs cannot be among the k nearest.
Each product is an upper bound: what rounding can have taken from it is added, and a pair is
measured exactly unless its bound lies below the k-th distance that is already known. How a product
rounds, which differs between processors, threads and block shapes, decides which pairs are
measured in vain, never which are kept.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.products.product import product
from vestige.registry.entries import InputError
from vestige.stats.slices import slices
from vestige.types import Floats, Ints

Rows = npt.NDArray[Any]
"""float32 [n, d]"""
Codes = npt.NDArray[Any]

TILE_BYTES = 2 * 2**20
"""Products held at a time: they stay in a core's cache while they are compared."""
TILE_ROWS = 2048
SIDE_BYTES = 32 * 2**20
"""Either side of a product, at most."""
PAIR_BYTES = 2**19
WAITING = 16
"""Tiles whose pairs are kept until they are sorted in."""
MAX_SQUARE = 1e36
"""Squared length of a row beyond which products could overflow."""
MANY = 4
"""Pairs per row and neighbour left in a tile beyond which they are sifted more finely."""


@dataclass(frozen=True)
class Top:
    """The k nearest rows of a pool, for each of n rows.

    distances : float64 [n, k], ascending, equal ones by pool row; inf where there are fewer
    indices : int [n, k], rows of the pool; -1 where there are fewer
    """

    distances: Floats
    indices: Ints


def nothing(n: int, k: int) -> Top:
    """The state before any pool row was seen."""
    return Top(np.full((n, k), np.inf), np.full((n, k), -1, dtype=np.int64))


def merge(first: Top, second: Top) -> Top:
    """The nearest of two disjoint parts of a pool: associative and commutative."""
    distances = np.hstack([first.distances, second.distances])
    indices = np.hstack([first.indices, second.indices])
    return Top(*smallest(distances, indices, first.distances.shape[1]))


def top_of(
    rows: Rows,
    block: Rows,
    start: int = 0,
    k: int = 1,
    known: Top | None = None,
    apart: tuple[Codes, Codes] | None = None,
    even: int = 0,
) -> Top:
    """The k nearest of one block of a pool, joined to those of earlier blocks.

    Parameters
    ----------
    rows, block : float32 [n, d] and [b, d]
    start : int
        Row of the pool at which the block begins.
    k : int
        1 or more.
    known : Top, optional
        Of other blocks; it spares work, the result is that of merging.
    apart : two arrays, optional
        Codes of the rows [n] and of the block [b]: rows of one code are no neighbours.
    even : int, optional
        The second half of the rows is the first with other signs from this column on (mirrored
        images, `vestige.features.folding`): the same products serve both.

    Raises
    ------
    InputError
        For a value that is not finite, or beyond 1e18.
    """
    best = known or nothing(len(rows), k)
    distances, indices = best.distances.copy(), best.indices.copy()
    if not len(rows):
        return best
    with np.errstate(invalid="ignore", over="ignore"):  # refused below
        centre = rows.mean(axis=0, dtype=np.float64).astype(np.float32)  # small norms round less
    if even:
        centre[even:] = 0  # that of all rows but for rounding, and the same for both halves
    n = len(rows) // 2 if even else len(rows)
    most = max(1, SIDE_BYTES // (8 * (rows.shape[1] + 2)))
    # the more neighbours, the wider the tiles: fewer pairs are measured before the k-th is known
    height = max(128, min(TILE_ROWS, TILE_BYTES // (4 * 32 * k)))
    for part in slices(n, max(1, min(most, height) // (2 if even else 1))):
        own: Any = np.r_[part, part.start + n : part.stop + n] if even else part
        search = _Search(rows[own], block, start, centre, distances[own], indices[own], even)
        side = max(256, TILE_BYTES // (4 * rows.shape[1] + 8))
        step = max(1, min(most, side, TILE_BYTES // (4 * len(search.rows))))
        for tile in slices(len(block), step - step % 64 or step):
            other = None if apart is None else apart[0][own, None] != apart[1][None, tile]
            search.add(tile, other)
        search.settle()
        distances[own], indices[own] = search.distances, search.indices
    return Top(distances, indices)


class _Search:
    """Some rows against one tile of a block after the other; fills `distances` and `indices`."""

    def __init__(
        self,
        rows: Rows,
        block: Rows,
        start: int,
        centre: Rows,
        distances: Floats,
        indices: Ints,
        even: int,
    ) -> None:
        self.rows, self.block, self.start, self.centre = rows, block, start, centre
        self.even = even
        self.distances, self.indices, self.k = distances, indices, distances.shape[1]
        wide = self._left(np.float64)
        self.squares = wide[:, 0] ** 2
        self.left32 = wide.astype(np.float32)
        self.floor = np.full(len(rows), -np.inf)
        self.waiting: list[tuple[Ints, Ints]] = []
        self.room = np.empty((0, 0), np.float32)
        self.n_waiting = 0

    def add(self, tile: slice, other: npt.NDArray[Any] | None) -> None:
        """Note the pairs that may be among the k nearest."""
        columns = np.asarray(self.block[tile])
        chosen = self._sift(columns, np.float32, other)
        if len(chosen) > (many := MANY * self.k * len(self.rows)):
            # near copies by the thousand, closer than float32 tells apart
            chosen = self._sift(columns, np.float64, other)
        if not len(chosen):
            return
        row, column = np.divmod(chosen, len(columns))
        if len(chosen) > many and other is None:
            # the (k + 1)th copy of one image is never among the k nearest
            first = _copies_before(columns) < self.k
            row, column = row[first[column]], column[first[column]]
        self.waiting.append((row, column + tile.start))
        self.n_waiting += len(row)
        if self.n_waiting >= 1.5 * self.k * len(self.rows) or len(self.waiting) == WAITING:
            self.settle()

    def settle(self) -> None:
        """Measure what was noted and keep the k nearest."""
        if not self.waiting:
            return
        row, column = (np.concatenate(parts) for parts in zip(*self.waiting, strict=True))
        self.waiting, self.n_waiting = [], 0
        distance = pair_distances(self.rows, self.block, row, column)
        near = np.flatnonzero(distance <= self.distances[row, -1])
        if not len(near):
            return
        counts = np.bincount(row[near], minlength=len(self.rows))
        touched = np.flatnonzero(counts)
        count = counts[touched]
        first = np.cumsum(count) - count
        near = near[np.argsort(row[near], kind="stable")]
        # one line per row: its k nearest so far, then those found now
        lines = nothing(len(touched), self.k + int(count.max()))
        lines.distances[:, : self.k] = self.distances[touched]
        lines.indices[:, : self.k] = self.indices[touched]
        place = self.k + np.arange(len(near)) - np.repeat(first, count)
        at = np.repeat(np.arange(len(touched)), count), place
        lines.distances[at], lines.indices[at] = distance[near], column[near] + self.start
        kept = smallest(lines.distances, lines.indices, self.k)
        self.distances[touched], self.indices[touched] = kept

    def _left(self, kind: Any) -> Rows:
        """The length of rows less the centre, 1, and these rows: what `_sift` multiplies with."""
        left = np.ones((len(self.rows), self.rows.shape[1] + 2), dtype=kind)
        centred = _less(self.rows, self.centre, left[:, 2:])
        squares = np.einsum("ij,ij->i", centred, centred)
        check_finite(squares)
        left[:, 0] = np.sqrt(squares)
        return left

    def _sift(self, tile: Rows, kind: Any, other: npt.NDArray[Any] | None) -> Ints:
        """Pairs, as places in [n, b], that a product in `kind` cannot rule out.

        What is compared is a.b - |b|^2 / 2 of rows less the centre, which falls as the distance
        grows. A product of d terms is wrong by at most d u (|a||b| + |b|^2 / 2), u = eps / 2: that
        is added inside the product. What centring and norms round is within the factor of 2.
        """
        right = np.empty((len(tile), tile.shape[1] + 2), dtype=kind)
        centred = _less(tile, self.centre, right[:, 2:])
        halves = 0.5 * np.einsum("ij,ij->i", centred, centred)
        check_finite(halves)
        slack = _slack(tile.shape[1], kind)
        right[:, 0] = slack * np.sqrt(2 * halves)
        right[:, 1] = (slack - 1) * halves
        left = self.left32 if kind is np.float32 else self._left(np.float64)
        bounds = self._products(left, right)
        if other is not None:
            bounds[~other] = -np.inf
        limit = self.distances[:, -1]
        exact = _slack(tile.shape[1], np.float64)
        least = 0.5 * (self.squares * (1 - exact) - limit**2 * (1 + exact))
        least -= tile.shape[1] * np.finfo(np.float32).tiny
        if np.isinf(limit).any():
            if len(tile) >= self.k and np.isinf(self.floor).any():
                # k pairs have bounds as high as this, and their bounds are not far too high
                half = float(halves.max())
                far = 3 * slack * (np.sqrt(self.squares * 2 * half) + half)
                self.floor = np.maximum(self.floor, _kth(bounds, self.k) - far)
            least = np.maximum(least, self.floor)
        least = np.maximum(np.nextafter(least.astype(kind), -np.inf), np.finfo(kind).min)
        return np.flatnonzero(bounds >= least.astype(kind)[:, None])

    def _products(self, left: Rows, right: Rows) -> Rows:
        products = self._room((1 + bool(self.even)) * len(left), len(right), left.dtype)
        if not self.even:
            return product(left, right.T, left, products[: len(left)])
        half, kept = len(left) // 2, self.even + 2
        rooms = products[len(left) :][:half], products[len(left) + half :]
        same = product(left[:half, :kept], right[:, :kept].T, left, rooms[0])
        other = product(left[:half, kept:], right[:, kept:].T, left, rooms[1])
        np.add(same, other, out=products[:half])
        np.subtract(same, other, out=products[half : len(left)])
        return products[: len(left)]

    def _room(self, rows: int, columns: int, kind: Any) -> Rows:
        """The same memory for each tile of one width: touched for the first time, it is slow."""
        if self.room.shape != (rows, columns) or self.room.dtype != kind:
            self.room = np.empty((rows, columns), kind)
        return self.room


def _less(rows: Rows, centre: Rows, out: Rows) -> Rows:
    """Rows less the centre, subtracted in the wider type and then rounded."""
    wider = np.result_type(rows, centre, out)
    with np.errstate(invalid="ignore", over="ignore"):  # refused by `check_finite`
        np.subtract(rows, centre, out=out, dtype=wider, casting="same_kind")
    return out


def _kth(bounds: Rows, k: int) -> Floats:
    """What k bounds of each row reach, float64 [n]: the k-th of the largest of each of 64 groups.

    Not much below the k-th of all, and much sooner found.
    """
    n, groups = len(bounds), max(64, k)
    if (depth := bounds.shape[1] // groups) > 1:
        bounds = bounds[:, : depth * groups].reshape(n, depth, groups).max(axis=1)
    return np.partition(bounds, -k, axis=1)[:, -k].astype(np.float64)


def smallest(distances: Floats, indices: Ints, k: int) -> tuple[Floats, Ints]:
    """The k first of each row, by distance and then index."""
    order = np.argsort(distances, axis=1)
    near = np.take_along_axis(distances, order, axis=1)
    tied = ((near[:, 1:] == near[:, :-1]) & np.isfinite(near[:, 1:])).any(axis=1)
    order[tied] = np.lexsort((indices[tied], distances[tied]), axis=1)
    return near[:, :k], np.take_along_axis(indices, order[:, :k], axis=1)


def pair_distances(rows: Rows, pool: Rows, row: Ints, column: Ints) -> Floats:
    """Distances by direct subtraction in float64, of rows[row] to pool[column], pair by pair.

    |a|^2 + |b|^2 - 2ab would lose what separates near copies (docs/methods.md 0.3).
    """
    out = np.empty(len(row))
    step = max(1, PAIR_BYTES // (8 * max(1, rows.shape[1])))
    for start in range(0, len(row), step):
        part = slice(start, start + step)
        gaps = pool[column[part]].astype(np.float64)
        gaps -= rows[row[part]].astype(np.float64, copy=False)
        out[part] = _squares(gaps)
    return np.sqrt(out)


def _squares(gaps: Floats) -> Floats:
    """Squared lengths [n]; beyond 8192 values einsum adds in an order that depends on n."""
    parts = (gaps[:, s : s + 8192] for s in range(0, gaps.shape[1], 8192))
    return np.asarray(sum(np.einsum("ij,ij->i", part, part) for part in parts))


def _slack(d: int, kind: Any) -> float:
    return float((d + 16) * np.finfo(kind).eps)


def _copies_before(tile: Rows) -> Ints:
    """How many rows above each row [b] are the same."""
    content = np.ascontiguousarray(tile).view(np.dtype((np.void, tile.itemsize * tile.shape[1])))
    same = np.unique(content.ravel(), return_inverse=True)[1]
    order = np.argsort(same, kind="stable")
    starts = np.searchsorted(same[order], same[order])
    before = np.empty(len(tile), dtype=np.int64)
    before[order] = np.arange(len(tile)) - starts
    return before


def check_finite(squares: Rows) -> None:
    """Refuse squared lengths that are not finite, or so large that products could overflow."""
    if not (squares < MAX_SQUARE).all():
        raise InputError("a feature is not a finite number of usual size: check the images.")
