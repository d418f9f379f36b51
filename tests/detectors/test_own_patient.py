"""In a cohort, an image is compared by the whitening of everybody but its own patient."""

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from vestige.detectors.cosine_search import signed_sums
from vestige.detectors.matched_filter import MatchedFilterPool
from vestige.stats.intervals import auc


def images(n: int, rng: np.random.Generator) -> Any:
    fields = gaussian_filter(rng.normal(size=(n, 16, 16)), (0, 1, 1))
    return np.clip(0.5 + fields / 2, 0, 1).astype(np.float32)


@pytest.mark.parametrize("views", ["none", "mirror", "all"])
@pytest.mark.parametrize("whitened_by", ["reals", "both"])
def test_by_brute_force(views: Any, whitened_by: Any) -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), rng.integers(1, 5, 12))
    made, pool = images(50, rng), images(len(groups), rng)
    detector = MatchedFilterPool(16, 1, competition=0, whitened_by=whitened_by, views=views)
    detector.fit(made).score_pool(pool, groups)
    assert detector.scored_ is not None and detector.generated_ is not None
    search = detector.scored_.search
    assert search.own is not None
    ((_, rows),) = search.projected(detector.generated_)
    found = search.scored_views(rows, rows)
    z, n = search.own.rows.astype(np.float64), len(pool)
    everyone = len(z)
    if whitened_by == "both":
        everyone += len(made) * (1 if detector.turned_ is None else 2)
    for g in range(12):
        own = np.flatnonzero(search.own.groups == g)
        mass = len(z) / (12 * len(own))
        others = [
            np.linalg.inv(np.eye(p.stop - p.start) - mass * z[own, p].T @ z[own, p] / everyone)
            for p in search.filters.parts
        ]
        even = search.filters.parts[0]
        mean = np.zeros(z.shape[1])  # of the others: the mean of all is 0 in the even part
        mean[even] = -mass * z[own, even].sum(axis=0) / (everyone - mass * len(own))
        x, m = z - mean, rows - mean
        for i in own:
            parts = list(zip(search.filters.parts, others, strict=True))
            products = [x[i, p] @ a @ m[:, p].T for p, a in parts]
            length = sum(float(x[i, p] @ a @ x[i, p]) for p, a in parts)
            lengths = sum(np.einsum("bp,pq,bq->b", m[:, p], a, m[:, p]) for p, a in parts)
            wanted = [v / np.sqrt(length * lengths) for v in signed_sums(products)]
            here = found[len(wanted) * (i >= n) :]  # transposed reals come after
            for one, view in zip(wanted, here, strict=False):
                np.testing.assert_allclose(view[:, i % n], one, atol=1e-5)


def test_images_of_their_own_are_scored_as_ever() -> None:
    rng = np.random.default_rng(1)
    made, pool = images(40, rng), images(30, rng)
    detector = MatchedFilterPool(16).fit(made)
    np.testing.assert_array_equal(
        detector.score_pool(pool, np.arange(30)), detector.score_pool(pool, None)
    )


def test_many_images_of_a_patient_make_none_of_them_score_lower() -> None:
    """AUC of 20 patients of one image against 20 of eight, of whom nobody was used.

    Mean of 30 worlds: sd of one .07, so of the mean .013; the limit is 4 of them. With the own
    patient in the whitening, and each slice a rival, the mean was .62.
    """
    areas = []
    for seed in range(30):
        rng = np.random.default_rng([2, seed])
        groups = np.concatenate([np.arange(20), np.repeat(np.arange(20, 40), 8)])
        shared, own = images(40, rng)[groups], images(len(groups), rng)
        score = MatchedFilterPool(16).fit(images(60, rng)).score_pool((shared + own) / 2, groups)
        one, many = groups < 20, groups >= 20
        areas.append(auc(score[one], score[many]))
    assert abs(np.mean(areas) - 0.5) < 0.052, np.mean(areas)
