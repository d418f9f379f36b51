"""Mann-Whitney statistics of many samples at once, and C_T, their mean over cells."""

import numpy as np

from vestige.types import Bools, Floats, Ints

FEWEST_IN_CELL = 20
"""Generated images below which a cell does not count."""
APART = -1
"""Cell of an image that is not compared."""


def rank_sums(values: Floats, is_first: Bools, sample: Ints, n: int) -> tuple[Floats, Floats]:
    """Of each of n samples U = #{first > second} + ties / 2, and its Z as data_copying takes it.

    Z = (U - f s / 2 + .5) / sd with sd^2 = f s / 12 (N + 1 - sum(t^3 - t) / (N (N - 1))), of f
    first and s second values, N = f + s, t the sizes of ties; 0 when all values are equal.

    Parameters
    ----------
    values, is_first, sample : shape (m,)
        Each value, whether it is of the first kind, and its sample 0..n-1.

    Returns
    -------
    U, Z : Floats, shapes (n,)
        Z of a sample that lacks one of the kinds is 0.
    """
    levels, level = np.unique(values, return_inverse=True)
    # one number to sort by: the sample, the value in it, the kind
    key = np.sort(2 * (sample * len(levels) + level) + is_first)
    first, key = key & 1, key >> 1
    starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    of, size = key[starts] // len(levels), np.diff(starts, append=len(key))
    n_first = np.add.reduceat(first, starts)
    n_second = size - n_first
    f, s = (np.bincount(of, count, n) for count in (n_first, n_second))
    below = np.cumsum(n_second) - n_second - (np.cumsum(s) - s)[of]
    # whole numbers and halves below 2^53: exact in any order
    u: Floats = np.bincount(of, n_first * (below + n_second / 2), n).astype(np.float64)
    total = f + s
    pairs = np.maximum(total * (total - 1), 1)
    wide = size.astype(np.float64)
    variance = f * s / 12 * (total + 1 - np.bincount(of, wide**3 - wide, n) / pairs)
    z = np.divide(u - f * s / 2 + 0.5, np.sqrt(variance), out=np.zeros(n), where=variance > 0)
    return u, z


def c_t(generated: Floats, reals: Floats, generated_cells: Ints, real_cells: Ints) -> Floats:
    """C_T of distances [b, m] and [b, r] to the nearest candidate, given the cell of each.

    Reals in the cell `APART` are no calibration images. Cells without calibration images, or with
    fewer than 20 generated images, do not count; when none counts all are one cell.
    """
    b, m = generated.shape
    cells, values = np.hstack([generated_cells, real_cells]), np.hstack([generated, reals])
    is_generated = np.arange(cells.shape[1]) < m
    k, there = int(cells.max()) + 1, cells != APART
    place = np.where(there, cells + k * np.arange(b)[:, None], 0)

    def counts(chosen: Bools) -> Ints:
        return np.bincount(place[chosen], minlength=b * k).reshape(b, k)

    share = counts(there & ~is_generated)
    counted = (counts(there & is_generated) >= FEWEST_IN_CELL) & (share > 0)
    one = ~counted.any(axis=1)
    place[one] = k * np.flatnonzero(one)[:, None]
    share[one], counted[one] = 1, np.arange(k) == 0
    first = np.broadcast_to(is_generated, cells.shape)[there]
    z = rank_sums(values[there], first, place[there], b * k)[1].reshape(b, k)
    weight = np.where(counted, share, 0)
    return np.asarray((z * weight).sum(axis=1) / weight.sum(axis=1))
