"""The stack: columns of evidence -> one score, learned from labelled images, by group.

Ridge regression of the label on the columns, drawn to the weights that were fixed beforehand and
never negative. So few degrees of freedom that fifteen labelled patients a side are enough, and so
cheap that a permutation test may fit everything again for each relabelling (docs/methods.md 3.1,
4.6).
"""

import numpy as np
import scipy

from vestige.stats.ranks import mid_ranks
from vestige.types import Floats

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


def fit_moments(used: Floats, unused: Floats, second: Floats, weights: Floats) -> Floats:
    """Non-negative weights of the columns, for each of B labellings at once.

    Minimises ``sum_i m_i (y_i - a - z_i w)^2 + SHRINKAGE |w - s w0|^2`` over w >= 0 and a, with
    y = 1 for used and -1 for unused images, masses m of sum 1/2 in each class, w0 the fixed
    weights and s >= 0 the best multiple of them. Without evidence this is the fixed combination.

    Parameters
    ----------
    used, unused : [B, D]
        Means of the two classes.
    second : [B, D, D]
        Mean products of two columns, both classes weighing the same.
    weights : [D], w0

    Returns
    -------
    [B, D]
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


def mixed_classes(alike: Floats, high: Floats, unused: Floats) -> tuple[Floats, Floats, Floats]:
    """Two ways to look at the positives, mixed: what `fit_moments` takes.

    All alike: right where most were used. Each by how far the fixed combination puts it above the
    median: a few used images are not outvoted by the others. The more the positives differ from
    the unused images beyond chance, the more the first one counts (James and Stein's share
    1 - D / T^2, T^2 of Hotelling). Where nobody is left among the positives both classes are the
    unused one.

    Parameters
    ----------
    alike, high, unused : [g, 1 + D + D^2], from `moments`

    Returns
    -------
    Means [g, D] of positives and unused, and mean products [g, D, D] of both together.
    """
    group_weights = alike[:, 0]
    alone = group_weights < 0.5
    alike = np.where(alone[:, np.newaxis], unused, alike)
    high = np.where(
        high[:, :1] <= 1e-9 * np.maximum(group_weights, 1.0)[:, np.newaxis], alike, high
    )
    (all_mean, all_square), (high_mean, high_square), (low_mean, low_square) = map(
        class_means, (alike, high, unused)
    )
    d = low_mean.shape[1]
    noise = (all_square - _outer(all_mean)) / np.maximum(group_weights, 1.0)[:, None, None]
    noise += (low_square - _outer(low_mean)) / np.maximum(unused[:, 0, None, None], 1.0)
    noise += 1e-9 * np.eye(d)
    gap = all_mean - low_mean
    hotelling = np.einsum("gd,gd->g", gap, np.linalg.solve(noise, gap[:, :, np.newaxis])[:, :, 0])
    share = np.maximum(0.0, 1.0 - d / np.maximum(hotelling, 1e-9))[:, np.newaxis]
    mean = share * all_mean + (1 - share) * high_mean
    square = share[:, :, None] * all_square + (1 - share)[:, :, None] * high_square
    return mean, low_mean, (square + low_square) / 2


def moments(z: Floats, mass: Floats) -> Floats:
    """Sums of mass, mass z and mass z z', in one row [1 + D + D^2]."""
    weighed = z * mass[:, np.newaxis]
    return np.concatenate([[mass.sum()], weighed.sum(axis=0), (z.T @ weighed).ravel()])


def class_means(sums: Floats) -> tuple[Floats, Floats]:
    """Mean z [g, D] and mean z z' [g, D, D]."""
    d = round(np.sqrt(sums.shape[1] - 0.75) - 0.5)
    mean = sums[:, 1:] / np.maximum(sums[:, :1], 1e-9)
    return mean[:, :d], mean[:, d:].reshape(-1, d, d)


def _outer(rows: Floats) -> Floats:
    return np.asarray(rows[:, :, np.newaxis] * rows[:, np.newaxis, :])
