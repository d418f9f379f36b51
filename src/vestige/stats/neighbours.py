"""Exact nearest neighbours, streamed: memory does not depend on the size of the pool.

The search runs on float32 matrix products; the distances that are returned are computed again by
direct subtraction in float64, because |a|^2 + |b|^2 - 2ab loses what separates near copies
(METHODS 0.3). Ties among the candidates: the lower row first.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.choices import InputError
from vestige.types import Float32s, Floats, Ints

CANDIDATES = 32
BLOCK_BYTES = 64 * 2**20


def nearest(rows: Float32s, pool: Float32s, k: int = 1) -> tuple[Floats, Ints]:
    """The k nearest pool rows of each row, Euclidean.

    Parameters
    ----------
    rows, pool : float32 [n, d] and [m, d]
    k : int
        At most m are returned.

    Returns
    -------
    distances : float64 [n, k], ascending
    indices : int [n, k], rows of `pool`

    Raises
    ------
    InputError
        For k below 1, or rows and pool of different width.
    """
    _at_least_one(k)
    same_width(rows.shape[1], pool.shape[1])
    keep = min(len(pool), max(CANDIDATES, k))
    half_norms = 0.5 * np.einsum("ij,ij->i", pool, pool)
    candidates = top_products(rows, pool, keep, offset=-half_norms)
    return _exact(rows, pool, candidates, min(k, len(pool)))


def nearest_outside_group(rows: Float32s, groups: npt.NDArray[Any], k: int = 1) -> Floats:
    """Distances to the k nearest other rows that belong to another group, float64 [n, k].

    Fewer than k other-group rows: the farthest available distance is repeated. A bag of one
    group only has no answer: infinity.
    """
    _at_least_one(k)
    codes = np.unique(groups, return_inverse=True)[1]
    n = len(rows)
    half_norms = 0.5 * np.einsum("ij,ij->i", rows, rows)
    keep = min(n, max(CANDIDATES, k))
    found = np.full((n, k), np.inf)
    for start in range(0, n, step := _block_rows(n)):
        part = slice(start, start + step)
        closeness = rows[part] @ rows.T - half_norms
        closeness[codes[part, None] == codes[None, :]] = -np.inf
        candidates = _top(closeness, keep)
        distances = _distances(rows[part], rows, candidates)
        outside = np.take_along_axis(closeness, candidates, axis=1) > -np.inf
        distances = np.sort(np.where(outside, distances, np.inf), axis=1)[:, :k]
        found[part, : distances.shape[1]] = distances
    last = np.where(np.isfinite(found), found, -np.inf).max(axis=1)[:, None]
    return np.where(np.isfinite(found), found, np.where(last > -np.inf, last, np.inf))


def rows_outside_group(groups: npt.NDArray[Any], detector: str) -> Ints:
    """Number of rows that belong to another group, for each row of a bag, int64 [n].

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


def _at_least_one(k: int) -> None:
    if k < 1:
        raise InputError(f"the number of neighbours k must be 1 or more, {k} was given.")


def _top(values: npt.NDArray[Any], k: int) -> Ints:
    if k >= values.shape[1]:
        return np.tile(np.arange(values.shape[1]), (len(values), 1))
    # a copy: a view would keep the indices of the whole block alive
    return np.argpartition(values, -k, axis=1)[:, -k:].copy()


def _exact(rows: Float32s, pool: Float32s, candidates: Ints, k: int) -> tuple[Floats, Ints]:
    candidates = np.sort(candidates, axis=1)  # equal distances: the lower row comes first
    distances = _distances(rows, pool, candidates)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, 1), np.take_along_axis(candidates, order, 1)


def _distances(rows: Float32s, pool: Float32s, candidates: Ints) -> Floats:
    out = np.empty(candidates.shape)
    for i, chosen in enumerate(candidates):
        difference = pool[chosen].astype(np.float64) - rows[i]
        out[i] = np.sqrt(np.einsum("ij,ij->i", difference, difference))
    return out


def _block_rows(width: int) -> int:
    return max(1, BLOCK_BYTES // (4 * max(1, width)))
