"""Several columns of evidence -> one score with weights fixed beforehand, for set-level tests."""

import numpy as np

from vestige.stats.ranks import mid_ranks
from vestige.types import Floats

DIGITS = 9
"""Combined ranks are compared after rounding: sums of equal parts must tie."""


def pooled_rank_score(columns: Floats, weights: Floats) -> Floats:
    """Weighted mean of mid-ranks over all rows [n, D] -> [n]; for set-level tests."""
    ranks = mid_ranks(columns)
    return np.asarray(np.round(ranks @ (weights / weights.sum()), DIGITS))
