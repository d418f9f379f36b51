"""Exact nearest neighbours, streamed: memory does not depend on the size of the pool.

What is promised, and why it holds for any block, is told in `vestige.stats.top`.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.registry.entries import InputError
from vestige.stats.top import nothing, top_of
from vestige.types import Float32s, Floats, Ints

CANDIDATES = 32
BLOCK_BYTES = 64 * 2**20

Pool = Float32s | Iterable[tuple[int, Float32s]]
"""float32 [m, d] (memory-mapped if need be), or its blocks, each with its first row's number."""


def nearest(rows: Float32s, pool: Pool, k: int = 1, even: int = 0) -> tuple[Floats, Ints]:
    """The k nearest pool rows of each row, Euclidean.

    Parameters
    ----------
    rows : float32 [n, d]
    pool : float32 [m, d], or an iterable of (start, block)
        Each block is asked for once and in any order; together they hold each row once.
    k : int
        At most m are returned.
    even : int, optional
        As in `vestige.stats.top.top_of`.

    Returns
    -------
    distances : float64 [n, k], ascending
    indices : int [n, k], rows of `pool`; equal distances: the lower row first

    Raises
    ------
    InputError
        For k below 1, rows and pool of different width, or a value that is not finite.
    """
    check_k(k)
    if isinstance(pool, np.ndarray):
        k = min(k, len(pool))
    best, seen = nothing(len(rows), k), 0
    for start, block in in_blocks(pool):
        same_width(rows.shape[1], block.shape[1])
        best, seen = top_of(rows, block, start, k, best, even=even), seen + len(block)
    return best.distances[:, :seen], best.indices[:, :seen]


def nearest_and(
    rows: Float32s, pool: Pool, distances: Floats, k: int, views: int = 1, even: int = 0
) -> Floats:
    """Distances [n, k] to the k nearest of a pool and of rows at known distances [n, *].

    Those of the known rows are ascending; a pool row that is farther is not measured. `rows`
    [views * n, d] may be several views of each image, view after view: the nearest counts.
    """
    check_k(k)
    best = nothing(len(rows), k)
    known = distances[:, :k]
    seen = known.shape[1]
    best.distances[:, :seen] = np.tile(known, (views, 1))
    for start, block in in_blocks(pool):
        same_width(rows.shape[1], block.shape[1])
        best, seen = top_of(rows, block, start, k, best, even=even), seen + len(block)
    if views == 1:
        return best.distances[:, :seen]
    found = np.where(best.indices < 0, np.inf, best.distances)  # known ones once, not in each view
    near = nearest_view(found, best.indices, views)[0]
    return np.sort(np.hstack([known, near]), axis=1)[:, : min(k, seen)]


def nearest_outside_group(
    rows: Float32s, groups: npt.NDArray[Any], k: int = 1, views: int = 1, even: int = 0
) -> Floats:
    """Distances to the k nearest other rows that belong to another group, float64 [n, k].

    Fewer than k other-group rows: the farthest available distance is repeated. A cohort of one
    group only has no answer: infinity. `rows` [views * n, d] may be several views of each image,
    view after view: distances are then those of the nearest view to the first view of the others.
    """
    check_k(k)
    codes = np.unique(groups, return_inverse=True)[1]
    best, pool = nothing(len(rows), k), rows[: len(groups)]
    for start, block in in_blocks(pool):
        apart = (np.tile(codes, views), codes[start : start + len(block)])
        best = top_of(rows, block, start, k, best, apart, even)
    found = nearest_view(best.distances, best.indices, views)[0]
    last = np.where(np.isfinite(found), found, -np.inf).max(axis=1)[:, None]
    return np.where(np.isfinite(found), found, np.where(last > -np.inf, last, np.inf))


def nearest_view(distances: Floats, indices: Ints, views: int) -> tuple[Floats, Ints, Ints]:
    """The k nearest pool rows of n images, each in its nearest view.

    Parameters
    ----------
    distances, indices : [views * n, k]
        The k nearest of each view, view after view; inf and -1 where there are fewer.

    Returns
    -------
    distances, indices, view : [n, k]
        Each pool row once. In the order of distance, then row.
    """
    if views == 1:
        return distances, indices, np.zeros_like(indices)
    k, n = distances.shape[1], len(distances) // views
    lines: list[npt.NDArray[Any]] = [distances, indices]
    lines = [line.reshape(views, n, k).swapaxes(0, 1).reshape(n, views * k) for line in lines]
    order = np.lexsort(lines, axis=1)  # by row of the pool, then distance
    near, at = (np.take_along_axis(line, order, axis=1) for line in lines)
    near[:, 1:][at[:, 1:] == at[:, :-1]] = np.inf
    first = np.lexsort((at, near), axis=1)[:, :k]
    view = np.take_along_axis(order // max(k, 1), first, axis=1)
    return np.take_along_axis(near, first, axis=1), np.take_along_axis(at, first, axis=1), view


def rows_outside_group(groups: npt.NDArray[Any], detector: str) -> Ints:
    """Number of rows that belong to another group, for each row of a cohort, int64 [n].

    Raises
    ------
    InputError
        When there is one group only: nothing is left to compare with.
    """
    codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    if len(sizes) == 1:
        raise InputError(f"{detector} needs images of at least two groups.")
    return np.asarray(len(codes) - sizes[codes], dtype=np.int64)


def same_width(first: int, second: int) -> None:
    """Refuse rows of different width: images that were not brought to one size."""
    if first != second:
        raise InputError(
            f"images of different sizes cannot be compared: {first} and {second} values per image. "
            "Bring all sets to one working size."
        )


def top_products(rows: Float32s, pool: Float32s, k: int, offset: Floats | None = None) -> Ints:
    """Indices [n, k] of the largest ``row . pool + offset``, unordered, streamed over the pool."""
    n = len(rows)
    best = np.empty((n, 0), dtype=np.float32)
    best_index = np.empty((n, 0), dtype=np.int64)
    for start in range(0, len(pool), step := _block_rows(n)):
        products = rows @ pool[start : start + step].T
        if offset is not None:
            products += offset[start : start + step].astype(np.float32)
        local = _top(products, min(k, products.shape[1]))
        best = np.hstack([best, np.take_along_axis(products, local, axis=1)])
        best_index = np.hstack([best_index, local + start])
        kept = _top(best, min(k, best.shape[1]))
        best = np.take_along_axis(best, kept, axis=1)
        best_index = np.take_along_axis(best_index, kept, axis=1)
    return best_index


def check_k(k: int) -> None:
    """Refuse to look for no neighbour at all."""
    if k < 1:
        raise InputError(f"the number of neighbours k must be 1 or more, {k} was given.")


def _top(values: npt.NDArray[Any], k: int) -> Ints:
    if k >= values.shape[1]:
        return np.tile(np.arange(values.shape[1]), (len(values), 1))
    # a copy: a view would keep the indices of the whole block alive
    return np.argpartition(values, -k, axis=1)[:, -k:].copy()


def in_blocks(pool: Pool) -> Iterator[tuple[int, Float32s]]:
    """Blocks of a pool, each with the number of its first row."""
    if not isinstance(pool, np.ndarray):
        yield from pool
        return
    step = _block_rows(pool.shape[1])
    for start in range(0, len(pool), step):
        yield start, pool[start : start + step]


def _block_rows(width: int) -> int:
    return max(1, BLOCK_BYTES // (4 * max(1, width)))
