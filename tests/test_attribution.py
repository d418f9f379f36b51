"""Pairs that carry evidence: values by brute force, the line by its definition."""

import numpy as np
import pytest

from vestige.detectors.matched_filter import MatchedFilterPool
from vestige.features import build_space
from vestige.release.attribution import nearest_pairs
from vestige.types import Floats, Images


def reals(n: int, seed: int = 0) -> Images:
    rng = np.random.default_rng(seed)
    shared = rng.random((1, 32, 32))
    return (0.7 * shared + 0.3 * rng.random((n, 32, 32))).astype(np.float32)


def _contrast(images: Images) -> Floats:
    return build_space("contrast", size=32).transform(images).astype(np.float64)


def test_pairs_are_those_of_the_detectors() -> None:
    cohort, generated = reals(24), reals(50, 1)
    generated[7] = 0.98 * cohort[3]  # a copy, darker
    calibration = np.arange(24) >= 12
    group_index = np.arange(24)
    cosine, distance = nearest_pairs(cohort, group_index, calibration, generated, 0.1)
    pool = MatchedFilterPool(size=32, top=1, competition=0).fit(generated)
    assert np.allclose(cosine.values[:, 0], pool.score_pool(cohort), rtol=1e-5)
    # mean distance to the five nearest other reals over that to the nearest generated image
    rows, made = (_contrast(images) for images in (cohort, generated))
    between = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    usual = np.sort(between, axis=1)[:, 1:6].mean(axis=1)
    near = np.linalg.norm(rows[:, None] - made[None], axis=2).min(axis=1)
    assert np.allclose(distance.values[:, 0], np.log(usual / near), rtol=1e-4, atol=1e-5)
    for pairs in (cosine, distance):
        assert (np.diff(pairs.values, axis=1) <= 0).all()
        assert pairs.rows[3, 0] == 7


@pytest.mark.parametrize(("rate", "k"), [(0.05, 1), (0.1, 2), (0.25, 5)])
def test_at_most_the_rate_of_the_controls_reaches_the_line(rate: float, k: int) -> None:
    cohort, generated = reals(40), reals(80, 1)
    calibration = np.arange(40) >= 20  # 20 unused: k = floor(rate 21)
    for pairs in nearest_pairs(cohort, np.arange(40), calibration, generated, rate):
        best = pairs.values[calibration, 0]
        assert (best >= pairs.line).sum() == k
        assert (best > pairs.line).sum() == k - 1
        assert pairs.spread == pytest.approx(best.std())
        assert np.allclose(pairs.excess * pairs.spread + pairs.line, pairs.values)


def test_every_copy_of_an_image_carries_evidence() -> None:
    """The marginal fall of a score when one of two copies goes is zero; here both stand out."""
    cohort, generated = reals(40), reals(80, 1)
    rng = np.random.default_rng(2)
    for g in (5, 6, 7):
        generated[g] = cohort[0] + 0.01 * rng.standard_normal((32, 32)).astype(np.float32)
    for pairs in nearest_pairs(cohort, np.arange(40), np.arange(40) >= 20, generated, 0.05):
        assert set(pairs.rows[0][pairs.excess[0] > 2]) == {5, 6, 7}


def test_hostile_pools() -> None:
    cohort = reals(12)
    calibration = np.arange(12) >= 6
    for generated in (np.zeros((3, 32, 32), np.float32), cohort[:1].repeat(4, axis=0), cohort[:2]):
        for pairs in nearest_pairs(cohort, np.arange(12), calibration, generated, 0.2):
            assert np.isfinite(pairs.excess).all()
            assert pairs.values.shape == (12, len(generated))
