"""The pooled rank score is a weighted mean of mid-ranks, and nothing but order counts."""

import numpy as np
from scipy.stats import rankdata

from vestige.stats.combine import pooled_rank_score


def test_pooled_rank_score_equals_scipy() -> None:
    rows = np.random.default_rng(7).integers(0, 4, (20, 3)).astype(float)
    weights = np.array([8.0, 1, 1])
    wanted = rankdata(rows, axis=0) @ [0.8, 0.1, 0.1]
    np.testing.assert_allclose(pooled_rank_score(rows, weights), wanted, atol=1e-8)
    np.testing.assert_array_equal(
        pooled_rank_score(np.exp(rows), weights), pooled_rank_score(rows, weights)
    )
