"""Columns of evidence on one scale, each patient with equal weight."""

import numpy as np

from vestige.stats.groups import Labels, group_index
from vestige.types import Bools, Floats, Ints

NORMAL_MAD = 1.4826
"""Standard deviation of a normal law in units of its median absolute deviation."""


def log_scores(columns: Floats, groups: Labels, rows: Bools) -> Floats:
    """Columns [n, D] -> sign(z) log(1 + |z|), divided by the standard deviation, [n, D].

    z is the distance from the median in units of the median absolute deviation. Unlike a rank it
    still tells a copy from an image that merely stands above all others, and unlike z it lets no
    image outweigh all columns. A column that never varies becomes 0.

    Parameters
    ----------
    columns : [n, D]
    groups : [n]
        Each has equal weight in what is usual.
    rows : [n]
        Those that say what is usual: target and unused images alike, or the scale knows who is who.
    """
    group_weights = equal_group_weights(rows, group_index(groups, len(columns))[0])
    centred = columns - weighted_median(columns, group_weights)
    width = NORMAL_MAD * weighted_median(np.abs(centred), group_weights)
    # more than half of the images tie: their usual distance is 0
    width = np.where(width > 0, width, spread(columns, group_weights))
    z = centred / np.where(width > 0, width, 1.0)
    features = np.sign(z) * np.log1p(np.abs(z))
    unit = spread(features, group_weights)
    return np.asarray(features / np.where(unit > 0, unit, 1.0))


def equal_group_weights(members: Bools, index: Ints) -> Floats:
    """1 / (members of the own group) for members [n], 0 for others."""
    sizes = np.bincount(index[members], minlength=int(index.max()) + 1)[index]
    return np.where(members, 1.0 / np.maximum(sizes, 1), 0.0)


def spread(columns: Floats, group_weights: Floats) -> Floats:
    """Standard deviation of each column [n, D], rows by their group weights [n]."""
    share = group_weights / group_weights.sum()
    return np.asarray(np.sqrt(share @ (columns - share @ columns) ** 2))


def weighted_median(columns: Floats, group_weights: Floats) -> Floats:
    """Smallest value of each column [n, D] that half of the group weights [n] do not exceed."""
    rows = group_weights > 0
    columns, group_weights = columns[rows], group_weights[rows]
    order = np.argsort(columns, axis=0, kind="stable")
    reached = np.cumsum(group_weights[order], axis=0) >= 0.5 * group_weights.sum() - 1e-9
    at = np.argmax(reached, axis=0)[np.newaxis]
    return np.asarray(np.take_along_axis(np.take_along_axis(columns, order, 0), at, 0)[0])
