"""Mid-ranks, without the second that importing all of scipy.stats takes."""

import numpy as np

from vestige.types import Floats


def mid_ranks(values: Floats) -> Floats:
    """Ranks from 1, ties averaged, along the first axis; equals `scipy.stats.rankdata(axis=0)`.

    Parameters
    ----------
    values : [n] or [n, D]
    """
    if values.ndim == 2:
        if not values.shape[1]:
            return np.empty(values.shape)
        return np.stack([mid_ranks(column) for column in values.T], axis=1)
    codes, counts = np.unique(values, return_inverse=True, return_counts=True)[1:]
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[codes], dtype=np.float64)
