"""Mid-ranks, without the second that importing all of scipy.stats takes."""

import numpy as np

from vestige.types import Floats


def mid_ranks(values: Floats) -> Floats:
    """Ranks from 1, ties averaged, along the first axis; equals `scipy.stats.rankdata(axis=0)`.

    Parameters
    ----------
    values : [n] or [n, D]
    """
    if not values.size:
        return np.empty(values.shape)
    columns = values if values.ndim == 2 else values[:, np.newaxis]
    order = np.argsort(columns, axis=0, kind="stable")
    ordered = np.take_along_axis(columns, order, axis=0)
    at = np.arange(1, len(columns) + 1)[:, np.newaxis]
    new = np.ones(columns.shape, np.bool_)
    new[1:] = ordered[1:] != ordered[:-1]
    first = np.maximum.accumulate(np.where(new, at, 0), axis=0)  # of those that tie
    ends = np.ones(columns.shape, np.bool_)
    ends[:-1] = new[1:]
    last = np.minimum.accumulate(np.where(ends, at, len(columns))[::-1], axis=0)[::-1]
    ranks = np.empty(columns.shape)
    np.put_along_axis(ranks, order, (first + last) / 2, axis=0)
    return ranks.reshape(values.shape)
