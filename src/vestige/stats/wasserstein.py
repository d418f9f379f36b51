"""Distances between binned laws: Wasserstein-1, total variation, and rows of both.

A law on bins of equal width is its cumulative sums; the distance between two is a sum of absolute
differences (L1). Several laws side by side in one row, each scaled as wanted, compare by one L1
distance.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.registry.entries import InputError
from vestige.types import Float32s, Floats, Ints

COARSE = 16
"""Neighbouring columns that are summed for the lower bound."""
BLOCK_BYTES = 64 * 2**20


def bin_masses(values: npt.NDArray[Any], low: Floats, high: Floats, bins: int) -> Floats:
    """Share of the values of each law per bin, float64 [k, bins].

    Parameters
    ----------
    values : [k, n], one law a row; outside [low, high] they count in the first or last bin
    low, high : [k]
    """
    k, n = values.shape
    place = (values - low[:, None]) * (bins / (high - low))[:, None]
    codes = np.clip(place, 0, bins - 1).astype(np.int64) + bins * np.arange(k)[:, None]
    counts = np.bincount(codes.ravel(), minlength=k * bins)
    return np.asarray(counts.reshape(k, bins) / n)


def wasserstein(first: Floats, second: Floats, width: float = 1.0) -> float:
    """Wasserstein-1 distance of two laws given as masses [bins] on bins of one width."""
    gap = np.cumsum(np.asarray(first, np.float64) - np.asarray(second, np.float64))
    return float(np.abs(gap).sum() * width)


def l1_parts(rows: Float32s, pool: Float32s, starts: Ints) -> Floats:
    """L1 distances per part of the row; `pool` [m, d] or, paired with rows [m, d], broadcast.

    Parameters
    ----------
    rows : [d] or [m, d]
    pool : [m, d]
    starts : [k], first column of each part, ascending from 0

    Returns
    -------
    float64 [m, k]
    """
    parts = np.empty((len(pool), len(starts)))
    step = max(1, BLOCK_BYTES // (8 * pool.shape[1]))
    rows = np.broadcast_to(rows, pool.shape)
    for start in range(0, len(pool), step):
        block = slice(start, start + step)
        gaps = np.abs(pool[block].astype(np.float64) - rows[block])
        parts[block] = np.add.reduceat(gaps, starts, axis=1)
    return parts


def nearest_l1(
    rows: Float32s,
    pool: Float32s,
    k: int = 1,
    row_groups: npt.NDArray[Any] | None = None,
    pool_groups: npt.NDArray[Any] | None = None,
) -> tuple[Floats, Ints]:
    """The k nearest pool rows of each row by L1 distance, exact, in bounded memory.

    Sums of 16 neighbouring columns give a lower bound at a sixteenth of the cost. Smooth rows
    (cumulative sums) differ with one sign over a block, so that the bound is nearly the distance
    and few pool rows are compared in full. Ties: the lower row first.

    Parameters
    ----------
    rows, pool : float32 [n, d] and [m, d]
    k : int
        At most m are returned.
    row_groups, pool_groups : [n] and [m], optional
        Pool rows of a row's own group are left out.

    Returns
    -------
    distances : float64 [n, k], ascending; infinite where fewer than k rows are left
    indices : int [n, k], -1 there

    Raises
    ------
    InputError
        For k below 1.
    """
    if k < 1:
        raise InputError(f"the number of neighbours k must be 1 or more, {k} was given.")
    from scipy.spatial.distance import cdist

    k = min(k, len(pool))
    distances, indices = np.full((len(rows), k), np.inf), np.full((len(rows), k), -1)
    short_rows, short_pool = coarse(rows), coarse(pool)
    step = max(1, BLOCK_BYTES // (8 * len(pool)))
    for start in range(0, len(rows), step):
        bounds = cdist(short_rows[start : start + step], short_pool, "cityblock")
        for i, bound in enumerate(bounds, start):
            if row_groups is not None and pool_groups is not None:
                bound = np.where(pool_groups == row_groups[i], np.inf, bound)
            found, chosen = _refine(rows[i], pool, bound, k)
            distances[i, : len(found)], indices[i, : len(found)] = found, chosen
    return distances, indices


def coarse(rows: Float32s) -> Floats:
    """Sums of 16 neighbouring columns, float64 [n, d / 16]; their L1 never exceeds that of rows."""
    starts = np.arange(0, rows.shape[1], COARSE)
    return np.asarray(np.add.reduceat(rows, starts, axis=1, dtype=np.float64))


def _refine(row: Float32s, pool: Float32s, bound: Floats, k: int) -> tuple[Floats, Ints]:
    """Full distances in the order of their bounds, until no bound can win any more."""
    order = np.argsort(bound, kind="stable")
    order = order[: np.searchsorted(bound[order], np.inf)]
    found, chosen = np.empty(0), np.empty(0, np.int64)
    start, width = 0, max(k, COARSE)
    while start < len(order):
        part = order[start : start + width]
        if len(found) == k:
            # the margin is for rounding: a bound may exceed an equal distance by a last bit
            part = part[bound[part] <= found[-1] * (1 + 1e-9)]
            if not len(part):
                break
        gaps = l1_parts(row, pool[part], np.zeros(1, np.int64))[:, 0]
        found, chosen = np.append(found, gaps), np.append(chosen, part)
        best = np.lexsort((chosen, found))[:k]
        found, chosen = found[best], chosen[best]
        start, width = start + width, 256
    return found, chosen
