"""Cells of a feature space: seeded k-means, and cells that lack something merged into others."""

import numpy as np

from vestige.types import Bools, Floats, Ints

ROUNDS = 100


def k_means(rows: Floats, k: int, seed: int = 0) -> Floats:
    """Centroids [<= k, d] of rows [n, d], the same for any order of the rows.

    k-means++ draws the starts (Arthur and Vassilvitskii 2007), then Lloyd's rounds until no row
    changes its cell. Fewer different rows than k give as many cells as there are different rows; a
    cell that loses its last row keeps its centroid.
    """
    rows = rows[np.lexsort(rows.T)]  # whatever their order was, the draws below see one
    rng = np.random.default_rng(seed)
    centroids: Floats = rows[rng.integers(len(rows))][None]
    while len(centroids) < k:
        gap = _squares(rows, centroids).min(axis=1)
        if gap.sum() == 0:
            break
        centroids = np.vstack([centroids, rows[rng.choice(len(rows), p=gap / gap.sum())]])
    cells = np.full(len(rows), -1)
    for _ in range(ROUNDS):
        before, cells = cells, cell_of(rows, centroids)
        if (cells == before).all():
            break
        for cell in np.unique(cells):
            centroids[cell] = rows[cells == cell].mean(axis=0)
    return centroids


def cell_of(rows: Floats, centroids: Floats) -> Ints:
    """Nearest centroid [n] of each row; ties: the lower one."""
    return np.asarray(_squares(rows, centroids).argmin(axis=1), dtype=np.int64)


def merged(centroids: Floats, kept: Bools) -> Ints:
    """New cell [k] of each cell: itself when kept, else the kept one nearest to its centroid.

    When none can be kept, all become one.
    """
    if not kept.any():
        return np.zeros(len(centroids), dtype=np.int64)
    survivors = np.flatnonzero(kept)
    return survivors[cell_of(centroids, centroids[survivors])]


def _squares(rows: Floats, centroids: Floats) -> Floats:
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(rows, centroids, "sqeuclidean"))
