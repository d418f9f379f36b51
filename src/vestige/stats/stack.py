"""The stack: columns of evidence -> one score, learned from labelled images, by group.

Ridge regression of the label on the columns, drawn to the weights that were fixed beforehand and
never negative. So few degrees of freedom that fifteen labelled patients a side are enough, and so
cheap that a permutation test may fit everything again for each relabelling (METHODS 3.1, 4.6).
"""

import numpy as np
import scipy

from vestige.stats.ranks import mid_ranks
from vestige.types import Bools, Floats, Ints

SHRINKAGE = 0.3
"""Pull to the fixed weights, in units of a column's variance; chosen on the development worlds."""
DIGITS = 9
"""Scores are compared after rounding: equal rows must tie, wherever they stand in a product."""


def normal_scores(columns: Floats) -> Floats:
    """Each column [n, D] -> Phi^-1((mid-rank - .5) / n), divided by its standard deviation.

    Scale-free: only the order within a column counts. A column that never varies becomes 0.
    """
    z = scipy.special.ndtri((mid_ranks(columns) - 0.5) / len(columns))
    spread = z.std(axis=0)
    return np.asarray(z / np.where(spread > 0, spread, 1.0))


def fit_stack(z: Floats, used: Floats, unused: Floats, weights: Floats) -> Floats:
    """Non-negative weights of the columns, for each of B labellings at once.

    Minimises ``sum_i m_i (y_i - a - z_i w)^2 + SHRINKAGE |w - s w0|^2`` over w >= 0 and a, with
    y = 1 for used and -1 for unused images, masses m of sum 1/2 in each class, w0 the fixed
    weights and s >= 0 the best multiple of them. Without evidence this is the fixed combination.

    Parameters
    ----------
    z : [n, D]
    used, unused : [B, n]
        Masses; 0 for images outside the class. Each row sums to 1.
    weights : [D], w0

    Returns
    -------
    [B, D]
    """
    d = z.shape[1]
    # second moments of all labellings in one product: [B, n] @ [n, D * D]
    outer = (z[:, :, None] * z[:, None, :]).reshape(len(z), d * d)
    second = ((used + unused) / 2 @ outer).reshape(-1, d, d)
    return fit_moments(used @ z, unused @ z, second, weights)


def fit_moments(used: Floats, unused: Floats, second: Floats, weights: Floats) -> Floats:
    """The weights of `fit_stack` [B, D] from moments of the columns.

    Parameters
    ----------
    used, unused : [B, D]
        Means of the two classes.
    second : [B, D, D]
        Mean products of two columns, both classes weighing the same.
    weights : [D], w0
    """
    prior = weights / np.linalg.norm(weights)
    mean = (used + unused) / 2
    scatter = second - mean[:, :, None] * mean[:, None, :]
    slope = (used - unused) / 2
    gain = slope @ prior
    spread = np.einsum("d,bde,e->b", prior, scatter, prior)
    multiple = np.maximum(gain, 0) / np.maximum(spread, 1e-9)
    fitted = np.empty_like(slope)
    target = slope + SHRINKAGE * multiple[:, None] * prior
    lower = np.linalg.cholesky(scatter + SHRINKAGE * np.eye(len(weights)))
    # the same minimum as least squares on the Cholesky factor
    side = np.linalg.solve(lower, target[:, :, None])[:, :, 0]
    for b in range(len(fitted)):
        fitted[b] = scipy.optimize.nnls(lower[b].T, side[b])[0]
    # nothing points upwards: the fixed combination, so that there is always an order
    empty = ~(fitted > 0).any(axis=1)
    fitted[empty] = prior
    return fitted


def _voices(members: Bools, index: Ints) -> Floats:
    """1 / (members of the own group) for members [n], 0 for others: a large group has one voice."""
    sizes = np.bincount(index[members], minlength=int(index.max()) + 1)[index]
    return np.where(members, 1.0 / np.maximum(sizes, 1), 0.0)


def _shares(voices: Floats) -> Floats:
    """Rows of sum 1, or of zeros where nobody is left."""
    return np.asarray(voices / np.maximum(voices.sum(axis=1, keepdims=True), 1e-9))
